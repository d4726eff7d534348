import { getRouteApi, Link } from "@tanstack/react-router";
import { CircleX, Undo2, X } from "lucide-react";
import { type ReactNode, useMemo, useState } from "react";
import { ApiError } from "../api/client";
import type { Update, UpdateLog } from "../api/types";
import { useUser } from "../app/shell";
import { useOperate } from "../containers/operate";
import { VerdictList } from "../containers/progress";
import { progress } from "../containers/progress-count";
import { undoOf } from "../containers/requests";
import { useCoarseNow } from "../i18n/clock";
import { elapsed, exact, moment } from "../i18n/format";
import { useWords } from "../i18n/words";
import { useServers, useUpdate, useUpdates } from "../live/live";
import { Button } from "../parts/button";
import { Segments } from "../parts/field";
import { CopyButton, Failure, Note, Skeleton, useTitle } from "../parts/page";
import { CancelDialog } from "./cancel-dialog";
import { StageNote } from "./stage-note";
import { UpdateChip } from "./update-chip";
import { operationText, operatorText, serverText, stepText, targetText } from "./update-words";
import styles from "./updates.module.css";

const route = getRouteApi("/_app/activity/$update");

type View = "verdicts" | "logs" | "raw";

/** One operation, beside the list: containers, steps, raw. */
export function UpdatePanel() {
  const words = useWords();
  const { update: id } = route.useParams();
  const navigate = route.useNavigate();
  const { item, error } = useUpdate(id);
  const close = () => navigate({ to: "/activity", search: true });
  return (
    <aside
      className={styles.panel}
      aria-label={words.updates.detail}
      onKeyDown={(event) => {
        if (event.key === "Escape") close();
      }}
    >
      <div className={styles.panelHead}>
        <h2>{item ? operationText(words, item) : words.updates.detail}</h2>
        <Button look="quiet" small label={words.updates.closePanel} icon={<X size={16} />} onPress={close} />
      </div>
      {error ? (
        <Failure error={new ApiError(error.code, error.error, 0)} />
      ) : item ? (
        <Detail key={id} update={item} id={id} />
      ) : (
        <Skeleton width="100%" height="12rem" />
      )}
    </aside>
  );
}

function Detail({ update, id }: { update: Update; id: string }) {
  const words = useWords();
  const servers = useServers().items;
  const listed = useUpdates().items?.find((candidate) => candidate.id === id);
  const user = useUser().data;
  const [view, setView] = useState<View>(update.verdicts?.length || update.targets ? "verdicts" : "logs");
  const state = useMemo(() => progress(null, update), [update]);
  const by = listed?.username ?? (user?._id?.$oid === update.operator ? user.username : update.operator);
  const [canceling, setCanceling] = useState(false);
  const operate = useOperate();
  const what = operationText(words, update);
  const server = serverText(words, update, servers);
  const open = update.status !== "Complete";
  useTitle(what, words.updates.title);
  const at = (time: number) => <Moment at={time} />;
  const facts: [string, ReactNode][] = [
    [words.updates.columns.state, <UpdateChip key="state" update={update} />],
    [words.updates.columns.target, targetText(words, update, servers)],
    [words.updates.columns.by, operatorText(words, by)],
    [words.updates.columns.start, at(update.start_ts)],
  ];
  if (update.end_ts)
    facts.push([words.updates.columns.duration, elapsed(words.locale, update.end_ts - update.start_ts)]);
  if (open && update.stage) facts.push([words.updates.stage, words.stages[update.stage]]);
  if (open && update.stage === "queued" && update.expires) facts.push([words.updates.expires, at(update.expires)]);
  if (open && update.stage !== "queued" && update.deadline) facts.push([words.updates.deadline, at(update.deadline)]);
  if (update.canceled_by) facts.push([words.updates.canceledBy, update.canceled_by]);
  if (update.undoes) facts.push([words.undo.undoes, <OtherUpdate key="undoes" id={update.undoes} />]);
  if (update.undone_by) facts.push([words.undo.undoneBy, <OtherUpdate key="undone" id={update.undone_by} />]);
  return (
    <>
      {(update.cancelable || update.undoable) && (
        <div className={styles.panelActions}>
          {open && update.cancelable && (
            <Button icon={<CircleX size={15} aria-hidden="true" />} onPress={() => setCanceling(true)}>
              {words.cancel.action}
            </Button>
          )}
          {!open && update.undoable && (
            <Button
              icon={<Undo2 size={15} aria-hidden="true" />}
              onPress={() =>
                operate({
                  request: undoOf(id),
                  serverName: server,
                  title: words.undo.title(what, update.container ?? server),
                })
              }
            >
              {words.actions.undo.selected}
            </Button>
          )}
        </div>
      )}
      <dl className={styles.facts}>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {open && update.stage === "canceling" && (
        <Note tone="warn" live>
          {update.canceled_by ? words.progress.cancelingBy(update.canceled_by) : words.progress.canceling}
        </Note>
      )}
      <StageNote update={update} />
      {!open && state.untried > 0 && <p>{words.progress.untriedOf(state.counts.done, state.untried)}</p>}
      <Segments
        label={words.common.details}
        value={view}
        onChange={setView}
        options={[
          { id: "verdicts", name: `${words.updates.verdicts} (${update.verdicts?.length ?? 0})` },
          { id: "logs", name: `${words.updates.logs} (${update.logs.length})` },
          { id: "raw", name: words.updates.raw },
        ]}
      />
      {view === "verdicts" &&
        (state.lines.length > 0 ? (
          <VerdictList lines={state.lines} pending={words.progress.pending} />
        ) : (
          <p className={styles.quiet}>{open ? words.updates.noVerdictsYet : words.updates.noVerdicts}</p>
        ))}
      {view === "logs" &&
        update.logs.map((log, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: steps are only ever added at the end
          <Step key={at} log={log} />
        ))}
      {view === "raw" && <Raw text={JSON.stringify(update, null, 2)} />}
      {canceling && (
        <CancelDialog id={id} update={update} what={what} server={server} onClose={() => setCanceling(false)} />
      )}
    </>
  );
}

function Moment({ at }: { at: number }) {
  const words = useWords();
  const now = useCoarseNow();
  return (
    <time dateTime={new Date(at).toISOString()} title={exact(words.locale, at)}>
      {moment(words.locale, at, now)}
    </time>
  );
}

/** Another Update, by what it is where that is known. */
function OtherUpdate({ id }: { id: string }) {
  const words = useWords();
  const { item } = useUpdate(id);
  const now = useCoarseNow();
  return (
    <Link to="/activity/$update" params={{ update: id }} search={true}>
      {item ? `${operationText(words, item)}, ${moment(words.locale, item.start_ts, now)}` : id}
    </Link>
  );
}

function Step({ log }: { log: UpdateLog }) {
  const words = useWords();
  const parts: [string, string, boolean][] = [
    [words.updates.command, log.command, false],
    [words.updates.stdout, log.stdout, false],
    [words.updates.stderr, log.stderr, true],
  ];
  return (
    <section className={styles.step} data-failed={!log.success || undefined}>
      <h3>
        {stepText(words, log.stage)}
        <span className={styles.quiet}>{elapsed(words.locale, log.end_ts - log.start_ts)}</span>
      </h3>
      {parts.map(
        ([name, text, bad]) =>
          text && (
            <div key={name}>
              <span className={styles.quiet}>{name}</span>
              <pre
                className={bad ? styles.bad : undefined}
                tabIndex={0}
                role="region"
                aria-label={`${stepText(words, log.stage)}: ${name}`}
                lang="en"
              >
                {text}
              </pre>
            </div>
          ),
      )}
    </section>
  );
}

const Raw = ({ text }: { text: string }) => (
  <div className={styles.raw}>
    <CopyButton text={text} />
    <pre tabIndex={0} role="region" aria-label="JSON">
      {text}
    </pre>
  </div>
);
