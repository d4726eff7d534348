// Every operation on containers goes through here: first what would happen, then the press, then the progress.
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { ApiError, call } from "../api/client";
import type { ContainerRequest } from "../api/operations";
import type { ContainerAction, Plan, PlanItem, Update } from "../api/types";
import { useWords } from "../i18n/words";
import { Button } from "../parts/button";
import { Dialog } from "../parts/dialog";
import { TextField } from "../parts/field";
import { CopyText, Failure, Note, Skeleton } from "../parts/page";
import type { Wish } from "./operate";
import styles from "./plan.module.css";
import { type Change, changes, groups, labelledButActed } from "./plan-groups";
import { PlanList } from "./plan-list";
import { ProgressDialog } from "./progress";
import { actionOf, chosen, endsThings, namedContainer, takesAway } from "./requests";

/** From how many containers on the name of the server is asked for. */
const TYPE_NAME_FROM = 21;
const CHANGES_SHOWN_MAX = 5;

const planOf = (request: ContainerRequest, cancel: AbortSignal) =>
  call("read", "PlanOperation", { type: request.type, params: { ...request.params } }, cancel);

const isPlan = (value: unknown): value is Plan =>
  typeof value === "object" && value !== null && "hash" in value && "items" in value;

/** Sends the request as it was planned; the type of its parameters follows from its name. */
const execute = (request: ContainerRequest): Promise<Update> =>
  call("execute", request.type, request.params as Parameters<typeof call<"execute", typeof request.type>>[2]);

export function PlanDialog({ wish, onClose }: { wish: Wish; onClose: () => void }) {
  const words = useWords();
  const action = actionOf(wish.request);
  const named = namedContainer(wish.request);
  const [excluded, setExcluded] = useState<ReadonlySet<string>>(new Set());
  const [override, setOverride] = useState<string | null>(null);
  const [drift, setDrift] = useState<Change[] | null>(null);
  const [typed, setTyped] = useState("");
  const labelled = useRef(false);
  const client = useQueryClient();

  const request = useMemo(
    () => chosen(wish.request, { exclude: [...excluded].sort(), override }),
    [wish.request, excluded, override],
  );
  const plan = useQuery({
    queryKey: ["plan", request],
    queryFn: ({ signal }) => planOf(request, signal),
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    retry: false,
    refetchOnWindowFocus: false,
  });

  // Of a list of names, those that asked to be left out of bulk operations begin unticked.
  const fresh = plan.data;
  useEffect(() => {
    if (!fresh || labelled.current || wish.request.type !== "BatchContainers") return;
    labelled.current = true;
    const ids = labelledButActed(fresh);
    if (ids.length > 0) setExcluded(new Set(ids));
  }, [fresh, wish.request.type]);

  const go = useMutation({
    mutationFn: (looked: Plan) =>
      execute(chosen(wish.request, { exclude: [...excluded].sort(), override, plan: looked.hash })),
    onError: async (error, looked) => {
      if (!(error instanceof ApiError) || error.code !== "plan_drifted") return;
      setTyped("");
      // The refusal brings the new plan along.
      const next = isPlan(error.params.plan) ? error.params.plan : (await plan.refetch()).data;
      if (!next) return;
      client.setQueryData(["plan", request], next);
      setDrift(changes(looked, next));
    },
  });

  if (go.data && plan.data) {
    return <ProgressDialog update={go.data} plan={plan.data} action={action} onClose={onClose} />;
  }
  const server = plan.data?.server_name ?? wish.serverName;
  const title = named === null ? words.actions[action].title(server) : words.actions[action].titleOne(named);
  const act = plan.data?.counts.act ?? 0;
  const askName = takesAway(action) && act >= TYPE_NAME_FROM;
  const drifted = go.error instanceof ApiError && go.error.code === "plan_drifted";
  const busy = plan.isFetching || go.isPending;
  const ready = plan.data !== undefined && !busy && act > 0 && (!askName || typed === server);
  const refused = plan.data?.items.find((item) => item.effect === "refuse");
  const include = (id: string, on: boolean) => {
    const next = new Set(excluded);
    if (on) next.delete(id);
    else next.add(id);
    setExcluded(next);
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
          {plan.data && !(refused && act === 0) && (
            <Button
              look={endsThings(action) ? "danger" : "primary"}
              off={act === 0 ? words.plan.noneActed : null}
              onPress={() => ready && plan.data && go.mutate(plan.data)}
            >
              {words.actions[action].button(act)}
            </Button>
          )}
        </>
      }
    >
      {plan.isPending && <PlanSkeleton label={words.plan.loading} />}
      {plan.isError && <Failure error={plan.error} retry={() => plan.refetch()} />}
      {drifted && <Drift drift={drift} />}
      {go.isError && !drifted && <Failure error={go.error} />}
      {plan.data && (
        <>
          <Warnings plan={plan.data} action={action} labelled={excluded.size > 0 && labelled.current} />
          {refused && named !== null && (
            <Refused item={refused} action={action} onOverride={setOverride} busy={plan.isFetching} />
          )}
          {plan.data.items.length === 0 ? (
            <p>{words.plan.empty}</p>
          ) : (
            <PlanList groups={groups(plan.data)} action={action} onInclude={named === null ? include : undefined} />
          )}
          {askName && <TextField label={words.plan.typeName(server)} value={typed} onChange={setTyped} />}
          <span className="visually-hidden" role="status">
            {busy ? words.plan.updating : words.actions[action].will(act)}
          </span>
        </>
      )}
    </Dialog>
  );
}

const PlanSkeleton = ({ label }: { label: string }) => (
  <div role="status">
    <p>{label}</p>
    <Skeleton width="100%" height="9rem" />
  </div>
);

function Warnings({ plan, action, labelled }: { plan: Plan; action: ContainerAction; labelled: boolean }) {
  const words = useWords();
  const final = action === "destroy" || action === "prune";
  return (
    <>
      {plan.warnings.map((warning) => (
        <Note key={warning} tone="warn">
          <span lang="en">{warning}</span>
        </Note>
      ))}
      {labelled && <Note tone="protect">{words.plan.labelNote}</Note>}
      {final && plan.counts.act > 0 && <Note tone="warn">{words.plan.noUndo}</Note>}
    </>
  );
}

function Drift({ drift }: { drift: Change[] | null }) {
  const words = useWords();
  const state = (name: keyof typeof words.containerStates) => words.containerStates[name];
  const sentence = (change: Change): string => {
    switch (change.kind) {
      case "added":
        return words.plan.driftAdded(change.name);
      case "removed":
        return words.plan.driftRemoved(change.name);
      case "state":
        return words.plan.driftState(
          change.name,
          String(state(change.from === "" ? "unknown" : change.from)),
          String(state(change.to === "" ? "unknown" : change.to)),
        );
      case "effect":
        return words.plan.driftEffect(change.name);
    }
  };
  const shown = drift?.slice(0, CHANGES_SHOWN_MAX).map(sentence) ?? [];
  const more = (drift?.length ?? 0) - shown.length;
  return (
    <Note tone="warn" live>
      <strong>{words.plan.drifted}</strong>
      <ul>
        {shown.map((text) => (
          <li key={text}>{text}</li>
        ))}
        {more > 0 && <li>{words.plan.driftMore(more)}</li>}
        {drift?.length === 0 && <li>{words.plan.driftUnseen}</li>}
      </ul>
    </Note>
  );
}

/** Shell command that does on the host what is refused here. */
function hostCommand(action: ContainerAction, container: string): string {
  const verbs: Record<ContainerAction, string> = {
    start: "start",
    restart: "restart",
    pause: "pause",
    unpause: "unpause",
    stop: "stop",
    destroy: "rm -f",
    prune: "rm",
  };
  return `docker ${verbs[action]} ${container}`;
}

interface RefusedProps {
  item: PlanItem;
  action: ContainerAction;
  onOverride: (reason: string) => void;
  busy: boolean;
}

/** A container of the control path that was named: what to do if it is meant. */
function Refused({ item, action, onOverride, busy }: RefusedProps) {
  const words = useWords();
  const [reason, setReason] = useState("");
  const codes = new Set((item.protected?.length ? item.protected : [item.reason]).map((found) => found?.reason));
  if (codes.has("agent") || codes.has("core")) {
    return (
      <>
        <Note tone="protect">{codes.has("agent") ? words.plan.refusedAgent : words.plan.refusedCore}</Note>
        <CopyText label={words.addServer.command} text={hostCommand(action, item.container)} />
      </>
    );
  }
  return (
    <form
      className={styles.override}
      onSubmit={(event) => {
        event.preventDefault();
        if (reason.trim() && !busy) onOverride(reason.trim());
      }}
    >
      <Note tone="protect">{words.plan.overrideHint}</Note>
      <TextField
        label={words.plan.overrideReason}
        hint={words.plan.overrideReasonHint}
        value={reason}
        onChange={setReason}
        maxLength={500}
      />
      <Button type="submit">{words.plan.overrideGo(words.actions[action].verb)}</Button>
    </form>
  );
}
