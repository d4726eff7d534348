// A new agent in the place of the one that runs: from an image, or by a program that Core sends; a helper on the host does
// it, after a plan like everything else.
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { ApiError, call } from "../api/client";
import type { ContainerListItem, ServerAgent, ServerListItem } from "../api/types";
import { useOperate } from "../containers/operate";
import { restartAgent, updateAgent } from "../containers/requests";
import { bytes } from "../i18n/format";
import { useWords } from "../i18n/words";
import { useContainers } from "../live/live";
import { Button } from "../parts/button";
import { Dialog } from "../parts/dialog";
import { Select, TextField } from "../parts/field";
import { CopyText, Failure, Note, Skeleton } from "../parts/page";
import { agentContainer } from "./agent-container";
import { ADD_COMMAND, programsFor } from "./agent-programs";
import { useMayWrite } from "./permission";

type Service = NonNullable<ServerAgent["service"]>;

interface UpdateAgentProps {
  server: ServerListItem;
  onClose: () => void;
}

export function UpdateAgent({ server, onClose }: UpdateAgentProps) {
  const service = server.info.agent?.service;
  return service ? (
    <FromProgram server={server} service={service} onClose={onClose} />
  ) : (
    <OfContainer server={server} onClose={onClose} />
  );
}

function OfContainer({ server, onClose }: UpdateAgentProps) {
  const words = useWords();
  const { items, error } = useContainers(server.id);
  const agent = items && agentContainer(items);
  if (agent) return <FromImage server={server} agent={agent} onClose={onClose} />;
  return (
    <Dialog
      title={words.agent.title(server.name)}
      onClose={onClose}
      foot={<Button onPress={onClose}>{words.common.close}</Button>}
    >
      {error ? (
        <Failure error={new ApiError(error.code, error.error, 0)} />
      ) : items ? (
        <Note tone="plain">{words.agent.neither}</Note>
      ) : (
        <Skeleton width="100%" height="6rem" />
      )}
    </Dialog>
  );
}

interface FromImageProps extends UpdateAgentProps {
  agent: ContainerListItem;
}

function FromImage({ server, agent, onClose }: FromImageProps) {
  const words = useWords();
  const operate = useOperate();
  const write = useMayWrite(server.id);
  const present = agent.image ?? "";
  const [image, setImage] = useState(present);
  const [tried, setTried] = useState(false);
  const asked = image.trim();
  const wrong = asked === "" || /\s/.test(asked) ? words.agent.imageWrong : null;
  const off = write === false ? words.detach.needsWrite : null;
  const submit = (event?: FormEvent) => {
    event?.preventDefault();
    setTried(true);
    if (wrong !== null || off !== null) return;
    onClose();
    operate({
      // The same name is looked up anew.
      request: updateAgent(server.id, { image: asked === present ? null : asked }),
      serverName: server.name,
      title: words.agent.title(server.name),
    });
  };
  return (
    <Dialog
      title={words.agent.title(server.name)}
      onClose={onClose}
      foot={
        <>
          <Button onPress={onClose}>{words.common.cancel}</Button>
          <Button look="primary" off={off} onPress={() => submit()}>
            {words.agent.plan}
          </Button>
        </>
      }
    >
      <p>{words.agent.intro(agent.name, server.info.version ?? "–")}</p>
      <form onSubmit={submit}>
        <TextField
          label={words.agent.image}
          hint={words.agent.imageHint}
          value={image}
          onChange={setImage}
          error={tried ? wrong : null}
          maxLength={500}
          required
          autoFocus
        />
      </form>
      {off && <Note tone="plain">{off}</Note>}
    </Dialog>
  );
}

/** What Core serves, asked for when it is needed. */
export const usePrograms = (enabled = true) =>
  useQuery({
    queryKey: ["programs"],
    queryFn: ({ signal }) => call("read", "ListPeripheryPrograms", {}, signal),
    enabled,
    gcTime: 0,
    retry: false,
  });

interface FromProgramProps extends UpdateAgentProps {
  service: Service;
}

function FromProgram({ server, service, onClose }: FromProgramProps) {
  const words = useWords();
  const operate = useOperate();
  const write = useMayWrite(server.id);
  const programs = usePrograms();
  const [chosen, setChosen] = useState<string | null>(null);
  const architecture = server.info.agent?.architecture ?? "";
  const fit = programsFor(programs.data ?? [], architecture);
  const program = fit.find(({ version }) => version === chosen) ?? fit[0];
  const runs = program !== undefined && program.sha256 === service.sha256;
  const off = write === false ? words.detach.needsWrite : null;
  const submit = (event?: FormEvent) => {
    event?.preventDefault();
    if (!program || off !== null) return;
    onClose();
    operate({
      request: runs ? restartAgent(server.id) : updateAgent(server.id, { version: program.version }),
      serverName: server.name,
      title: runs ? words.agent.restartTitle(server.name) : words.agent.title(server.name),
    });
  };
  return (
    <Dialog
      title={words.agent.title(server.name)}
      onClose={onClose}
      foot={
        <>
          <Button onPress={onClose}>{program ? words.common.cancel : words.common.close}</Button>
          {program && (
            <Button look="primary" off={off} onPress={() => submit()}>
              {words.agent.plan}
            </Button>
          )}
        </>
      }
    >
      <p>{words.agent.introService(service.unit, server.info.version ?? "–")}</p>
      {programs.isPending && (
        <div role="status">
          <span className="visually-hidden">{words.agent.loading}</span>
          <Skeleton width="100%" height="4rem" />
        </div>
      )}
      {programs.isError && <Failure error={programs.error} retry={() => programs.refetch()} />}
      {program && (
        <form onSubmit={submit}>
          <Select
            label={words.agent.version}
            hint={runs ? words.agent.runsNow : words.agent.versionHint}
            value={program.version}
            onChange={setChosen}
            options={fit.map(({ version, bytes: size, sha256 }) => ({
              id: version,
              name:
                sha256 === service.sha256
                  ? words.agent.versionRuns(version)
                  : words.agent.versionOf(version, bytes(words.locale, size)),
            }))}
            autoFocus
          />
        </form>
      )}
      {programs.data && !program && <NoProgram architecture={architecture} again={() => programs.refetch()} />}
      {off && <Note tone="plain">{off}</Note>}
    </Dialog>
  );
}

/** That Core keeps no program that fits, and how one gets there. */
export function NoProgram({ architecture, again }: { architecture: string; again: () => void }) {
  const words = useWords();
  return (
    <>
      <Note tone="plain" live>
        {words.agent.noProgram(architecture)}
      </Note>
      <CopyText label={words.agent.addCommand} text={ADD_COMMAND} />
      <p>{words.agent.addHint}</p>
      <div>
        <Button small onPress={again}>
          {words.agent.lookAgain}
        </Button>
      </div>
    </>
  );
}
