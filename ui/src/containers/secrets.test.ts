import { expect, test } from "vitest";
import { looksSecret, MASK, maskAll, secretAt } from "./secrets";

test.each([
  ["POSTGRES_PASSWORD", true],
  ["api_token", true],
  ["AWS_SECRET_ACCESS_KEY", true],
  ["PASSPHRASE", true],
  ["TZ", false],
  ["PATH", false],
])("%s is hidden: %j", (name, hidden) => {
  expect(looksSecret(name)).toBe(hidden);
});

const document = {
  Id: "abc",
  Config: {
    Env: ["TZ=UTC", "DB_PASSWORD=hunter2=x", "EMPTY_TOKEN=", "NOT AN ASSIGNMENT"],
    Labels: { "traefik.basicauth": "me:hash", plain: "seen" },
    Key: "of no variable",
  },
};

test("only variables and labels with such a name are hidden, and the rest is as it was", () => {
  expect(maskAll(document)).toEqual({
    Id: "abc",
    Config: {
      Env: ["TZ=UTC", `DB_PASSWORD=${MASK}`, "EMPTY_TOKEN=", "NOT AN ASSIGNMENT"],
      Labels: { "traefik.basicauth": MASK, plain: "seen" },
      Key: "of no variable",
    },
  });
  expect(JSON.stringify(maskAll(document))).not.toContain("hunter2");
});

test("the name of what is hidden is told", () => {
  expect(secretAt("Env", "1", "DB_PASSWORD=x")).toBe("DB_PASSWORD");
  expect(secretAt("Labels", "token", "x")).toBe("token");
  expect(secretAt("Config", "token", "x")).toBeNull();
});
