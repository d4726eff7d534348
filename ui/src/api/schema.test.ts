import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

test("the types are those of openapi/api.json: otherwise run `npm run schema` and commit the result", () => {
  const hash = createHash("sha256").update(readFileSync("../openapi/api.json")).digest("hex");
  expect(readFileSync("src/api/schema.ts", "utf8")).toContain(`sha256 of the document: ${hash}`);
});
