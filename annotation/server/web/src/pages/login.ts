/** Signing in. */

import "../look/base.css";
import { html, nothing, render, type TemplateResult } from "lit-html";
import { ApiError, askJson, useCsrf } from "../api/http.ts";

const body = document.getElementById("body") as HTMLElement;
let trouble = "";

async function signIn(event: SubmitEvent): Promise<void> {
  event.preventDefault();
  const given = new FormData(event.target as HTMLFormElement);
  try {
    const { csrf } = await askJson<{ csrf: string }>("/api/login", { method: "POST", json: { name: given.get("name"), password: given.get("password") } });
    useCsrf(csrf);
    location.replace(backTo(location.hash));
  } catch (error) {
    trouble = error instanceof ApiError ? error.message : "The server does not answer. Try again in a moment.";
    show("password");
  }
}

/** Only pages of ours: nobody is sent elsewhere after signing in. */
export function backTo(hash: string): string {
  const wanted = decodeURIComponent(hash.slice(1));
  return /^(index|editor|progress)\.html(#[\w./%-]*)?$/.test(wanted) ? `./${wanted}` : "./index.html";
}

function show(way: string): void {
  render(way === "password" ? form() : otherWay(way), body);
}

function form(): TemplateResult {
  return html`
    <form class="login" @submit=${(event: SubmitEvent) => void signIn(event)}>
      <h1>Masksmith</h1>
      <label>Name <input name="name" autocomplete="username" required autofocus /></label>
      <label>Password <input name="password" type="password" autocomplete="current-password" required /></label>
      ${trouble ? html`<span class="error" role="alert">${trouble}</span>` : nothing}
      <button class="main">Sign in</button>
    </form>`;
}

function otherWay(way: string): TemplateResult {
  const words = way === "proxy"
    ? "You come in through your organisation's sign-in page. Go back there and open the workbench again."
    : "Open the link that “masksmith serve” printed in the terminal. It works once.";
  return html`<div class="login"><h1>Masksmith</h1><p>${words}</p></div>`;
}

void askJson<{ way: string }>("/api/way-in").then(({ way }) => show(way), () => show("password"));
