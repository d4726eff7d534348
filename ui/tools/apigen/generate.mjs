// Writes src/api/schema.ts from openapi/api.json; with --check says whether it would change, and writes nothing.
// A package of its own, because openapi-typescript needs TypeScript 5 and the page is built with 7.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import openapi, { astToString } from "openapi-typescript";

const from = new URL("../../../openapi/api.json", import.meta.url);
const to = new URL("../../src/api/schema.ts", import.meta.url);

const head = "// Generated from openapi/api.json by `npm run schema`; do not edit.\n\n";
const text =
  head +
  astToString(await openapi(JSON.parse(readFileSync(from, "utf8")), { alphabetize: true, defaultNonNullable: false }));

if (process.argv.includes("--check")) {
  if (readFileSync(to, "utf8") !== text) {
    console.error("src/api/schema.ts is not what openapi/api.json says: run `npm run schema` and commit the result");
    process.exit(1);
  }
} else {
  writeFileSync(to, text);
}
