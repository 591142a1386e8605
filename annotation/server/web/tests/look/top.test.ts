import { expect, test } from "vitest";
import { workTime } from "../../src/look/top.ts";

test.each([
  [null, "– hours"], [0, "0 minutes"], [0.004, "0 minutes"], [0.017, "1 minute"], [0.2, "12 minutes"], [0.99, "59 minutes"],
  [0.9999, "1.0 hours"], [1, "1.0 hours"], [37.26, "37.3 hours"],
])("%s hours of work are %s", (hours, said) => {
  const { figure, unit } = workTime(hours);
  expect(`${figure} ${unit}`).toBe(said);
});
