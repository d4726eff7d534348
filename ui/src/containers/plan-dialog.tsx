// Every operation on containers goes through here: first what would happen, then the press, then the progress.
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { ApiError, call } from "../api/client";
import type { PlannedRequest } from "../api/operations";
import type { Plan, PlanItem, PlannedAction, Update } from "../api/types";
import type { Words } from "../i18n/en";
import { duration } from "../i18n/format";
import { useWords } from "../i18n/words";
import { useServers } from "../live/live";
import { Button } from "../parts/button";
import { Dialog } from "../parts/dialog";
import { TextField } from "../parts/field";
import { Failure, Note, Skeleton } from "../parts/page";
import { useMayWrite } from "../servers/permission";
import { Away, type Expiry, expirySeconds, isAwayError } from "./away";
import type { Wish } from "./operate";
import { Busy, Detach, Drift, isBusyError, Refused } from "./plan-answers";
import { type Change, changes, groups, isNews, labelledButActed } from "./plan-groups";
import { PlanList } from "./plan-list";
import { ProgressDialog } from "./progress";
import {
  actionOf,
  canWait,
  chosen,
  endsThings,
  isOfSeveral,
  namedContainer,
  type Replacement,
  replacement,
  takesAway,
  undoneUpdate,
} from "./requests";

const MS_PER_SECOND = 1_000;
/** From how many containers on the name of the server is asked for. */
const TYPE_NAME_FROM = 21;

const planOf = (request: PlannedRequest, cancel: AbortSignal) =>
  call("read", "PlanOperation", { type: request.type, params: { ...request.params } }, cancel);

const isPlan = (value: unknown): value is Plan =>
  typeof value === "object" && value !== null && "hash" in value && "items" in value;

/** Sends the request as it was planned; the type of its parameters follows from its name. */
const execute = (request: PlannedRequest): Promise<Update> =>
  call("execute", request.type, request.params as Parameters<typeof call<"execute", typeof request.type>>[2]);

/** What is pressed: a plan as it was looked at, or to wait for the server. */
type Press = { plan: Plan } | { expiresS: number };

export function PlanDialog({ wish, onClose }: { wish: Wish; onClose: () => void }) {
  const words = useWords();
  const action = actionOf(wish.request);
  const named = namedContainer(wish.request);
  const undone = undoneUpdate(wish.request);
  const [excluded, setExcluded] = useState<ReadonlySet<string>>(new Set());
  const [override, setOverride] = useState<string | null>(null);
  const [detach, setDetach] = useState(false);
  const [drift, setDrift] = useState<Change[] | null>(null);
  const [typed, setTyped] = useState("");
  const [expiry, setExpiry] = useState<Expiry>("day");
  const labelled = useRef(false);
  const client = useQueryClient();
  const choice = useMemo(() => ({ exclude: [...excluded].sort(), override, detach }), [excluded, override, detach]);
  const request = useMemo(() => chosen(wish.request, choice), [wish.request, choice]);
  const plan = useQuery({
    queryKey: ["plan", request],
    queryFn: ({ signal }) => planOf(request, signal),
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    retry: false,
    refetchOnWindowFocus: false,
  });
  const backTo = useBackTo(undone);

  // Of a list of names, those that asked to be left out of bulk operations begin unticked.
  const fresh = plan.data;
  useEffect(() => {
    if (!fresh || labelled.current || wish.request.type !== "BatchContainers") return;
    labelled.current = true;
    const ids = labelledButActed(fresh);
    if (ids.length > 0) setExcluded(new Set(ids));
  }, [fresh, wish.request.type]);

  const go = useMutation({
    mutationFn: (press: Press) =>
      execute(chosen(wish.request, "plan" in press ? { ...choice, plan: press.plan.hash } : { ...choice, ...press })),
    onError: async (error, press) => {
      if (!(error instanceof ApiError) || error.code !== "plan_drifted" || !("plan" in press)) return;
      setTyped("");
      // The refusal brings the new plan along.
      const next = isPlan(error.params.plan) ? error.params.plan : (await plan.refetch()).data;
      if (!next) return;
      client.setQueryData(["plan", request], next);
      setDrift(changes(press.plan, next));
    },
  });

  const away = [go.error, plan.error].find(isAwayError) ?? null;
  useReplanWhenBack(wish, away !== null, () => {
    go.reset();
    plan.refetch();
  });

  const write = useMayWrite(
    plan.data?.items.some(({ effect }) => effect === "hand-over") ? plan.data.server : undefined,
  );
  const server = plan.data?.server_name ?? wish.serverName;
  const asked =
    wish.title ?? (named === null ? words.actions[action].title(server) : words.actions[action].titleOne(named));
  const title =
    detach && plan.data?.items.some(({ effect }) => effect === "detach") ? words.detach.title(asked, server) : asked;
  if (go.data) {
    const looked = go.variables && "plan" in go.variables ? go.variables.plan : null;
    return (
      <ProgressDialog
        update={go.data}
        plan={looked}
        action={action}
        title={title}
        serverName={server}
        onClose={onClose}
      />
    );
  }

  const shown = away ? undefined : plan.data;
  const act = shown?.counts.act ?? 0;
  const leaves = shown?.items.find((item) => item.effect === "detach");
  const handsOver = shown?.items.find((item) => item.effect === "hand-over");
  const replaced = replacement(wish.request);
  const many = takesAway(action) && act >= TYPE_NAME_FROM;
  const askName = many || leaves !== undefined;
  const drifted = go.error instanceof ApiError && go.error.code === "plan_drifted";
  const busy = plan.isFetching || go.isPending;
  const ready = shown !== undefined && !busy && act > 0 && (!askName || typed === server);
  const refused = shown?.items.find((item) => item.effect === "refuse");
  const include = (id: string, on: boolean) => {
    const next = new Set(excluded);
    if (on) next.delete(id);
    else next.add(id);
    setExcluded(next);
  };

  const offOf = () => {
    if (act === 0) return words.plan.noneActed;
    if (handsOver && write === false) return words.detach.needsWrite;
    return leaves && typed !== server ? words.detach.typeName(server) : null;
  };

  return (
    <Dialog
      wide
      alert={takesAway(action)}
      title={title}
      onClose={onClose}
      foot={
        <>
          <Button onPress={onClose}>{words.common.cancel}</Button>
          {shown && !(refused && act === 0) && (
            <Button
              look={leaves || endsThings(action) || override !== null ? "danger" : "primary"}
              off={offOf()}
              onPress={() => ready && go.mutate({ plan: shown })}
            >
              {leaves
                ? runsCore(leaves)
                  ? words.detach.goCore
                  : words.detach.go(server)
                : handsOver
                  ? handOverButton(words, handsOver, replaced)
                  : words.actions[action].button(act)}
            </Button>
          )}
          {away && canWait(wish.request) && (
            <Button look="primary" onPress={() => !go.isPending && go.mutate({ expiresS: expirySeconds[expiry] })}>
              {words.away.go}
            </Button>
          )}
        </>
      }
    >
      {plan.isPending && <PlanSkeleton label={words.plan.loading} />}
      {away && (
        <Away
          error={away}
          queue={canWait(wish.request) ? { expiry, onExpiry: setExpiry } : null}
          undoes={undone !== null}
        />
      )}
      {plan.isError && !away && <Failure error={plan.error} retry={() => plan.refetch()} />}
      {drifted && <Drift drift={drift} />}
      {isBusyError(go.error) ? (
        <Busy error={go.error} onOpen={onClose} />
      ) : (
        go.isError && !drifted && go.error !== away && <Failure error={go.error} />
      )}
      {shown && (
        <>
          <Warnings plan={shown} action={action} labelled={excluded.size > 0 && labelled.current} />
          {refused && named !== null && (
            <Refused
              item={refused}
              action={action}
              server={shown.server}
              onOverride={setOverride}
              onDetach={() => setDetach(true)}
              busy={plan.isFetching}
            />
          )}
          {handsOver && write === false && <Note tone="plain">{words.detach.needsWrite}</Note>}
          {handsOver && (
            <HandOverNote
              core={runsCore(handsOver)}
              restart={replaced === null}
              probationS={shown.probation_s ?? null}
            />
          )}
          {shown.items.length === 0 ? (
            <p>{undone === null ? words.plan.empty : words.undo.nothing}</p>
          ) : (
            <PlanList
              groups={groups(shown)}
              action={action}
              onInclude={isOfSeveral(wish.request) ? include : undefined}
              changed={drifted ? drift : null}
              backTo={backTo}
              override={override}
              replaced={replaced}
            />
          )}
          {leaves && <Detach item={leaves} server={server} typed={typed} onTyped={setTyped} />}
          {many && <TextField label={words.plan.typeName(server)} value={typed} onChange={setTyped} />}
          <span className="visually-hidden" role="status">
            {busy
              ? words.plan.updating
              : leaves
                ? words.detach.will(1)
                : handsOver
                  ? words.handOver.will(1)
                  : words.actions[action].will(act)}
          </span>
        </>
      )}
    </Dialog>
  );
}

/** By the id of a container: the state that the Update found, to which it is brought back. */
function useBackTo(update: string | null) {
  const undone = useQuery({
    queryKey: ["undone", update],
    queryFn: ({ signal }) => call("read", "GetUpdate", { id: update ?? "" }, signal),
    enabled: update !== null,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    retry: false,
  }).data;
  return useMemo(() => new Map(undone?.verdicts?.map((verdict) => [verdict.id, verdict.before ?? ""])), [undone]);
}

/** Asks for the plan again as soon as the server that was away is back. */
function useReplanWhenBack(wish: Wish, away: boolean, replan: () => void) {
  const servers = useServers().items;
  const { params } = wish.request;
  const reference = "server" in params ? params.server : wish.serverName;
  const state = servers?.find(({ id, name }) => id === reference || name === reference)?.info.state;
  const before = useRef(state);
  const latest = useRef(replan);
  latest.current = replan;
  useEffect(() => {
    const back = state === "Ok" && before.current !== undefined && before.current !== "Ok";
    before.current = state;
    if (back && away) latest.current();
  }, [state, away]);
}

const PlanSkeleton = ({ label }: { label: string }) => (
  <div role="status">
    <p>{label}</p>
    <Skeleton width="100%" height="9rem" />
  </div>
);

const runsCore = (item: PlanItem) => item.protected?.some(({ reason }) => reason === "core") ?? false;

/** What is pressed to hand over. */
function handOverButton(words: Words, { container }: PlanItem, replaced: Replacement | null): string {
  if (replaced === null) return words.handOver.restart(container);
  return "version" in replaced ? words.handOver.exchange(replaced.version) : words.handOver.replace(container);
}

interface HandOverNoteProps {
  core: boolean;
  /** Whether the same is started again, so that there is nothing to go back to. */
  restart: boolean;
  probationS: number | null;
}

/** What a hand over is, before it is pressed. */
function HandOverNote({ core, restart, probationS }: HandOverNoteProps) {
  const words = useWords();
  const proof =
    probationS === null
      ? words.handOver.proofAny
      : words.handOver.proof(duration(words.locale, probationS * MS_PER_SECOND));
  return (
    <Note tone="plain">
      <ul>
        <li>{proof}</li>
        <li>{restart ? words.handOver.noRollBack : words.handOver.rollBack}</li>
        <li>{core ? words.handOver.awayCore : words.handOver.away}</li>
      </ul>
    </Note>
  );
}

function Warnings({ plan, action, labelled }: { plan: Plan; action: PlannedAction; labelled: boolean }) {
  const words = useWords();
  const final = action === "destroy" || action === "prune";
  return (
    <>
      {action === "undo" && <p>{words.undo.intro}</p>}
      {plan.warnings.filter(isNews).map((warning) => (
        <Note key={warning} tone="warn">
          <span lang="en">{warning}</span>
        </Note>
      ))}
      {labelled && <Note tone="protect">{words.plan.labelNote}</Note>}
      {!plan.undo && plan.items.some(({ effect }) => effect === "act") && (
        <Note tone={final ? "warn" : "plain"}>
          {final ? words.plan.noUndo : words.plan.noUndoOf(words.actions[action].verb)}
        </Note>
      )}
    </>
  );
}
