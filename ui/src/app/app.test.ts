import { describe, expect, test } from "vitest";
import { alertText, openAlerts, resolvedAlerts } from "../alerts/alert-words";
import { toApiError } from "../api/client";
import type { Alert, ServerListItem, UpdateListItem } from "../api/types";
import { en } from "../i18n/en";
import { zhCn } from "../i18n/zh-cn";
import { byName, nearly, sorted } from "../parts/data-grid";
import { extend, keep, noSelection, toggle } from "../parts/selection";
import { append, type Sample } from "../servers/history";
import { containerCommand, isLoopback, programCommand, quoted } from "../servers/join-command";
import { actionsOff, byNeed, isAway, isCommand, serverLook, serverTone, serverWhy } from "../servers/state";
import { queuedFor } from "../updates/queue";
import { merged, stepText, targetText, updateLook } from "../updates/update-words";
import { parsePreferences } from "./preferences";
import { safeTarget } from "./router";
import { shortcutOf } from "./shortcuts";

const press = (key: string, held: Partial<{ ctrlKey: boolean; metaKey: boolean; isComposing: boolean }> = {}) => ({
  key,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  shiftKey: false,
  isComposing: false,
  ...held,
});
const free = { writing: false, single: true, after: null };

describe("keys", () => {
  test.each([
    [press("k", { ctrlKey: true }), free, "palette"],
    [press("k", { metaKey: true }), { ...free, writing: true }, "palette"],
    [press("/"), free, "filter"],
    [press("/"), { ...free, writing: true }, null],
    [press("/"), { ...free, single: false }, null],
    [press("?"), free, "help"],
    [press("s"), { ...free, after: "g" }, "go s"],
    [press("s"), free, null],
    [press("/", { isComposing: true }), free, null],
    [press("/", { ctrlKey: true }), free, null],
  ])("%j in %j is %j", (event, context, action) => {
    expect(shortcutOf(event, context)).toBe(action);
  });
});

describe("selection", () => {
  const order = ["a", "b", "c", "d"];
  const keys = (selection: { keys: ReadonlySet<string> }) => [...selection.keys].sort().join("");
  test("Ctrl toggles, Shift draws from the last one that was touched", () => {
    const one = toggle(noSelection, "b");
    expect(keys(extend(one, order, "d"))).toBe("bcd");
    expect(keys(extend(one, order, "a"))).toBe("ab");
    expect(keys(toggle(one, "b"))).toBe("");
  });
  test("forgets rows that are gone", () => {
    const two = extend(toggle(noSelection, "a"), order, "c");
    expect(keys(keep(two, new Set(["a", "d"])))).toBe("a");
    expect(keep(two, new Set(order))).toBe(two);
  });
});

test("preferences of another kind are the standard ones", () => {
  expect(parsePreferences('{"theme":"pink","density":"comfortable","shortcuts":"yes"}')).toMatchObject({
    theme: "system",
    density: "comfortable",
    shortcuts: true,
  });
  expect(parsePreferences("no json").language).toBe("auto");
});

test.each([
  ["/servers/a?tab=host", "/servers/a?tab=host"],
  ["//elsewhere.example", undefined],
  ["/\\elsewhere.example", undefined],
  ["https://elsewhere.example", undefined],
  [7, undefined],
])("after signing in %j leads to %j", (target, expected) => {
  expect(safeTarget(target)).toBe(expected);
});

describe("errors", () => {
  test("carry the code of Core", () => {
    const error = toApiError(409, {
      error: "busy",
      trace: ["a", "b"],
      code: "busy",
      params: { by: "x" },
      request_id: "r",
    });
    expect([error.code, error.message, error.trace.length, error.params.by, error.requestId]).toEqual([
      "busy",
      "busy",
      2,
      "x",
      "r",
    ]);
  });
  test("of something else on the way are internal, or ask to sign in", () => {
    expect(toApiError(502, "<html>").code).toBe("internal");
    expect(toApiError(401, undefined).code).toBe("unauthenticated");
  });
});

describe("the command that joins a server", () => {
  const parts = { core: "https://komodo.example.com", key: "O_a'b_O", name: "my nas" };
  test("quotes what a shell would read", () => {
    expect(quoted("plain-1.2:/x")).toBe("plain-1.2:/x");
    expect(quoted("it's")).toBe("'it'\\''s'");
    expect(containerCommand(parts)).toContain("'PERIPHERY_CONNECT_AS=my nas'");
    expect(programCommand(parts)).toContain("PERIPHERY_ONBOARDING_KEY='O_a'\\''b_O'");
  });
  test("labels the agent", () => {
    expect(containerCommand(parts)).toContain("--label komodo.skip");
  });
  test("knows addresses that lead back", () => {
    expect(["http://localhost:9120", "http://127.0.0.1", "http://[::1]:9120"].every(isLoopback)).toBe(true);
    expect(isLoopback("https://komodo.example.com")).toBe(false);
  });
});

const server = (name: string, info: Partial<ServerListItem["info"]>): ServerListItem =>
  ({ id: name, name, info: { state: "Ok", region: "", ...info } }) as unknown as ServerListItem;

test.each<[Partial<ServerListItem["info"]>, boolean, boolean]>([
  [{}, false, true],
  [{ state: "NotOk", reason: { code: "unreachable", why: "" } }, true, true],
  [{ state: "NotOk", reason: { code: "agent_stopped", why: "" } }, true, true],
  [{ state: "NotOk", reason: { code: "detached", why: "" } }, true, true],
  [{ state: "NotOk", reason: { code: "handed_over", why: "" } }, true, true],
  [{ state: "NotOk", reason: { code: "never_connected", why: "" } }, false, false],
  [{ state: "NotOk", reason: { code: "docker", why: "" } }, true, true],
  [{ state: "Disabled" }, false, false],
])("of a server %j: away %j, can be asked at least for later %j", (info, away, asked) => {
  const one = server("x", info);
  expect(isAway(one)).toBe(away);
  expect(actionsOff(en, one) === null).toBe(asked);
});

describe("a server that is away because it is meant", () => {
  const reason = { code: "detached", why: "", since: 1, by: "ada", bring_back: "docker start periphery" } as const;
  const detached = server("a", { state: "NotOk", reason });
  const handedOver = server("b", { state: "NotOk", reason: { code: "handed_over", why: "" } });
  test("is shown calmly, and says who meant it", () => {
    expect([detached, handedOver].map((one) => serverTone[serverLook(one)])).toEqual(["neutral", "accent"]);
    expect(serverWhy(en, detached)).toBe("Detached by ada");
    expect(serverWhy(zhCn, detached)).toContain("ada");
    expect(serverWhy(en, handedOver)).toBe(en.serverReasons.handed_over);
  });
  test("needs nobody: it comes after those that do, and those that are fine", () => {
    const lost = server("z", { state: "NotOk", reason: { code: "unreachable", why: "" } });
    const all = [detached, handedOver, server("fine", {}), lost];
    expect(all.sort(byNeed).map(({ name }) => name)).toEqual(["z", "b", "fine", "a"]);
  });
  test("comes back by a command, or by what made it", () => {
    expect(["docker start periphery", "systemctl --user start komodo", "sudo docker start x"].map(isCommand)).toEqual([
      true,
      true,
      true,
    ]);
    expect(isCommand("the command or compose file that made periphery, once more")).toBe(false);
  });
});

describe("the steps of a story", () => {
  test.each([
    ["Roll back", "Rolled back", "已回滚"],
    ["Wave 2", "Wave 2", "第 2 批"],
    ["Stop Containers", "Stop", "停止"],
    ["Destroy Container", "Destroy container", "销毁容器"],
    ["Roll Periphery", "Update agents in waves", "分批更新代理"],
    ["Rename Server", "Rename server", "重命名服务器"],
    ["Something New", "Something New", "Something New"],
    ["Waves", "Waves", "Waves"],
    ["Shake Containers", "Shake Containers", "Shake Containers"],
  ])("%j has words in every language, where it is known", (stage, inEnglish, inChinese) => {
    expect([stepText(en, stage), stepText(zhCn, stage)]).toEqual([inEnglish, inChinese]);
  });
});

describe("what waits for a server", () => {
  const update = (id: string, start_ts: number, part: Partial<UpdateListItem>) =>
    ({ id, start_ts, status: "InProgress", target: { type: "Server", id: "nas" }, ...part }) as UpdateListItem;
  test("is shown there, the oldest first", () => {
    const all = [
      update("new", 3, { stage: "queued" }),
      update("old", 1, { stage: "queued" }),
      update("over", 2, { stage: "queued", status: "Complete" }),
      update("acting", 2, { stage: "acting" }),
      update("elsewhere", 2, { stage: "queued", target: { type: "Server", id: "lab" } }),
    ];
    expect(queuedFor(all, "nas").map(({ id }) => id)).toEqual(["old", "new"]);
  });
  test("and what is canceled look like it in lists", () => {
    expect(updateLook(update("a", 1, { stage: "queued" }))).toBe("queued");
    expect(updateLook(update("a", 1, { stage: "canceling" }))).toBe("canceling");
    const over: Partial<UpdateListItem> = { status: "Complete", success: false };
    expect(updateLook(update("a", 1, { ...over, canceled_by: "ann" }))).toBe("canceled");
    expect(updateLook(update("a", 1, over))).toBe("failed");
  });
  test("a helper acts on is no server that is waited for", () => {
    const part = { status: "InProgress", waiting_for: { server: "nas" } } as const;
    expect(updateLook(update("a", 1, { ...part, stage: "handed_over" }))).toBe("handedOver");
    expect(updateLook(update("a", 1, { ...part, stage: "probation" }))).toBe("probation");
    expect(updateLook(update("a", 1, { ...part, stage: "waiting" }))).toBe("waiting");
    expect(updateLook(update("a", 1, { stage: "handed_over", status: "Complete", success: true }))).toBe("ok");
  });
  test("names its container", () => {
    const one = update("a", 1, { operation: "StopContainer", container: "web" });
    expect(targetText(en, one, [server("nas", {})])).toBe("web · nas");
  });
});

describe("alerts", () => {
  const alert = (part: Partial<Alert>): Alert => ({
    ts: 0,
    resolved: false,
    level: "WARNING",
    target: { type: "Server", id: "nas" },
    data: { type: "Custom", data: { message: "m", details: "" } },
    ...part,
  });
  test("that are open come first, the worst and newest before the others", () => {
    const all = [
      alert({ ts: 5 }),
      alert({ ts: 9, resolved: true, level: "CRITICAL" }),
      alert({ ts: 1, level: "CRITICAL" }),
      alert({ ts: 7 }),
    ];
    expect(openAlerts(all).map(({ ts }) => ts)).toEqual([1, 7, 5]);
    expect(resolvedAlerts(all).map(({ ts }) => ts)).toEqual([9]);
  });
  test("speak the language of the page where Core sends a code, else the words of Core", () => {
    const away = alert({ data: { type: "ServerUnreachable", data: { id: "nas", name: "nas", err: null } } });
    expect(alertText(zhCn, away, undefined).title).toBe("nas 无法连接");
    expect(alertText(zhCn, alert({}), undefined)).toEqual({ title: "m", detail: null, english: true });
    const other = alert({ data: { type: "ProcedureFailed", data: { id: "p", name: "nightly" } } });
    expect(alertText(en, other, undefined).title).toBe("Procedure Failed: nightly");
  });
});

test("servers that need somebody come first", () => {
  const all = [
    server("fine", {}),
    server("off", { state: "Disabled" }),
    server("sick", { containers: { total: 3, running: 2, paused: 0, unhealthy: 1 } }),
    server("away", { state: "NotOk", reason: { code: "unreachable", why: "" } }),
  ];
  expect(all.sort(byNeed).map(({ name }) => name)).toEqual(["away", "sick", "fine", "off"]);
  expect(serverLook(server("x", { state: "NotOk" }))).toBe("notOk");
});

test("figures are kept once each, in order, and not for ever", () => {
  const sample = (at: number): Sample => ({ at, cpu: 0, memory: 0, received: 0, sent: 0 });
  const one = append([], sample(2));
  expect(append(one, sample(2))).toBe(one);
  expect(append(one, sample(1))).toBe(one);
  let many: readonly Sample[] = [];
  for (let at = 1; at < 1_000; at += 1) many = append(many, sample(at));
  expect(many).toHaveLength(300);
  expect(many.at(-1)?.at).toBe(999);
});

test("older updates join the live ones without doubles, the newest first", () => {
  const update = (id: string, start_ts: number) => ({ id, start_ts }) as UpdateListItem;
  const all = merged([update("b", 2), update("c", 3)], [update("b", 2), update("a", 1)]);
  expect(all.map(({ id }) => id).join("")).toBe("cba");
});

describe("the order of rows", () => {
  const columns = [
    { id: "n", header: "", width: "", cell: () => null, compare: (a: string, b: string) => byName(a, b) },
  ];
  test("is that of people, both ways", () => {
    expect(sorted(["web-10", "web-2", "Web-1"], columns, { column: "n", down: false })).toEqual([
      "Web-1",
      "web-2",
      "web-10",
    ]);
    expect(sorted(["a", "c", "b"], columns, { column: "n", down: true })).toEqual(["c", "b", "a"]);
    expect(sorted(["b", "a"], columns, { column: "unknown", down: false })).toEqual(["b", "a"]);
  });
  test("begins from the order before", () => {
    expect(nearly(["a", "b", "d"], (key) => key, ["d", "gone", "a"])).toEqual(["d", "a", "b"]);
  });
});
