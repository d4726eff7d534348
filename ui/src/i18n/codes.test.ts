import { expect, test } from "vitest";
import type { ErrorCode } from "../api/types";
import { en } from "./en";
import { zhCn } from "./zh-cn";

/** Every code that Core may answer; a new one does not compile until it is here, and fails until it has words. */
const codes: Record<ErrorCode, true> = {
  bad_json: true,
  invalid: true,
  unauthenticated: true,
  account_disabled: true,
  forbidden: true,
  not_found: true,
  method_not_allowed: true,
  conflict: true,
  protected: true,
  busy: true,
  plan_drifted: true,
  body_too_large: true,
  unsupported_media_type: true,
  unprocessable: true,
  too_many_attempts: true,
  internal: true,
  not_built: true,
  bad_agent: true,
  server_unreachable: true,
  engine_unreachable: true,
  storage_full: true,
  journal_full: true,
  deadline_exceeded: true,
  server_disabled: true,
  not_cancelable: true,
  not_undoable: true,
};

test.each(Object.keys(codes))("%s has words in every language", (code) => {
  expect(en.errors[code]).toBeTruthy();
  expect(zhCn.errors[code]).toBeTruthy();
});
