/** The progress page: how far, how fast, how well. */

import "../look/base.css";
import { html, nothing, render, svg, type SVGTemplateResult, type TemplateResult } from "lit-html";
import { type Agreement, type EffortGroup, type ProgressFigures, progressFigures } from "../api/progress.ts";
import { sessionOrLogin } from "../api/workbench.ts";
import { errorWords } from "../look/error-words.ts";
import { duration, pageTop, workTime } from "../look/top.ts";

const REFRESH_MS = 60_000;

const fixed = (value: number | null, digits: number): string => (value === null ? "–" : value.toFixed(digits));
const spoken = (name: string): string => name.replaceAll("_", " ");

function card(value: string, words: string): TemplateResult {
  return html`<div class="card"><b>${value}</b>${words}</div>`;
}

function page(figures: ProgressFigures): TemplateResult {
  const { round, left, structures } = figures;
  const decided = (structures.accepted ?? 0) + (structures.absent ?? 0);
  const all = Object.values(structures).reduce((sum, count) => sum + count, 0);
  const [spent, toDo] = [workTime(figures.hours), workTime(left.hours)];
  return html`
    <h1 class="sr">Progress</h1>
    <div class="cards">
      ${card(`${round.decided} / ${round.total}`, round.round === null ? "cases decided" : `cases of round ${round.round} decided`)}
      ${card(`${decided} / ${all}`, "structures decided")}
      ${card(fixed(figures.masks_per_hour, 0), "masks an hour")}
      ${card(figures.median_s === null ? "–" : duration(figures.median_s), "a mask, median")}
      ${card(spent.figure, `${spent.unit} of work so far`)}
      ${card(toDo.figure, `${toDo.unit} left at this pace`)}
    </div>
    ${figures.masks === 0 ? html`<p class="empty">Nothing was drawn or accepted yet. The worklist has what is open.</p>` : details(figures)}`;
}

function details(figures: ProgressFigures): TemplateResult {
  return html`
    <div class="two">
      <section>
        <h2>By day</h2>
        ${bars(figures.by_day.map(({ day, masks, cases }) => ({ name: day.slice(5), value: masks, title: `${day}: ${masks} masks in ${cases} cases` })))}
        <h2>By round: proposal against what was accepted</h2>
        ${curve(figures.by_round)}
        <h2>People</h2>
        ${groups(figures.by_annotator, "Name")}
        <h2>Agreement</h2>
        <table><thead><tr><th>Drawn twice</th><th class="number">Pairs</th><th class="number">Dice</th><th class="number">NSD</th></tr></thead>
          <tbody>${agreement("by the same person", figures.agreement.intra)}${agreement("by two people", figures.agreement.inter)}</tbody></table>
      </section>
      <section><h2>By structure, worst proposals first</h2>${groups(figures.by_structure, "Structure")}</section>
    </div>`;
}

function agreement(words: string, { pairs, dice, nsd }: Agreement): TemplateResult {
  return html`<tr><td>${words}</td><td class="number">${pairs}</td><td class="number">${fixed(dice, 3)}</td><td class="number">${fixed(nsd, 3)}</td></tr>`;
}

function groups(rows: readonly EffortGroup[], heading: string): TemplateResult {
  return html`
    <table>
      <thead><tr><th>${heading}</th><th class="number">Masks</th><th class="number">Median</th><th class="number">Dice</th><th class="number">As it was</th></tr></thead>
      <tbody>${rows.map((row) => html`<tr>
        <td>${spoken(row.name)}</td><td class="number">${row.masks}</td><td class="number">${duration(row.median_s)}</td>
        <td class="number">${fixed(row.dice, 3)}</td><td class="number">${row.accepted_share === null ? "–" : `${Math.round(100 * row.accepted_share)} %`}</td>
      </tr>`)}</tbody>
    </table>`;
}

interface Bar {
  readonly name: string;
  readonly value: number;
  readonly title: string;
}

function bars(all: readonly Bar[]): TemplateResult {
  const shown = all.slice(-30);
  const most = Math.max(1, ...shown.map(({ value }) => value));
  const step = 600 / Math.max(7, shown.length);
  const bar = ({ name, value, title }: Bar, at: number): SVGTemplateResult => {
    const height = (106 * value) / most;
    return svg`<g><title>${title}</title>
      ${shown.length <= 14 && value > 0 ? svg`<text x=${(at + 0.5) * step} y=${121 - height} fill="#c9d1d8" font-size="11" text-anchor="middle">${value}</text>` : nothing}
      <rect x=${at * step + step * 0.15} y=${126 - height} width=${step * 0.7} height=${height} fill="#4cc2d6" rx="2"></rect>
      ${shown.length <= 14 ? svg`<text x=${(at + 0.5) * step} y="143" fill="#8b969f" font-size="11" text-anchor="middle">${name}</text>` : nothing}</g>`;
  };
  return html`<svg class="chart" viewBox="0 0 600 150" role="img" aria-label="Masks by day">${shown.map(bar)}</svg>`;
}

/** Dice of proposal and accepted mask from round to round. */
function curve(rounds: readonly EffortGroup[]): TemplateResult {
  const known = rounds.filter((each) => each.dice !== null);
  if (known.length === 0) return html`<p class="dim">No proposal was corrected or accepted yet.</p>`;
  const lowest = Math.min(0.9, ...known.map((each) => each.dice as number));
  const place = (each: EffortGroup, at: number): [number, number] => [
    40 + (520 * (at + 0.5)) / known.length, 120 - (100 * ((each.dice as number) - lowest)) / (1 - lowest || 1),
  ];
  const points = known.map(place);
  return html`<svg class="chart" viewBox="0 0 600 150" role="img" aria-label="Dice by round">
    <polyline points=${points.map((point) => point.join(",")).join(" ")} fill="none" stroke="#5fbf7a" stroke-width="2"></polyline>
    ${points.map(([x, y], at) => svg`<g><circle cx=${x} cy=${y} r="4" fill="#5fbf7a"></circle>
      <text x=${x} y=${y - 9} fill="#c9d1d8" font-size="11" text-anchor="middle">${fixed(known[at].dice, 3)}</text>
      <text x=${x} y="143" fill="#8b969f" font-size="11" text-anchor="middle">${spoken(known[at].name)}</text></g>`)}
  </svg>`;
}

async function start(): Promise<void> {
  const session = await sessionOrLogin();
  const body = document.getElementById("body") as HTMLElement;
  render(pageTop(session, "Progress"), document.getElementById("top") as HTMLElement);
  const load = async (): Promise<void> => {
    try {
      render(page(await progressFigures()), body);
    } catch (error) {
      render(html`<p class="say error" role="alert">${errorWords(error)}</p>`, body);
    }
  };
  setInterval(() => void load(), REFRESH_MS);
  await load();
}

void start();
