// A new agent in the place of the one that runs: from an image, by a helper on the host, after a plan like everything else.
import { type FormEvent, useState } from "react";
import { ApiError } from "../api/client";
import type { ContainerListItem, ServerListItem } from "../api/types";
import { useOperate } from "../containers/operate";
import { updateAgent } from "../containers/requests";
import { useWords } from "../i18n/words";
import { useContainers } from "../live/live";
import { Button } from "../parts/button";
import { Dialog } from "../parts/dialog";
import { TextField } from "../parts/field";
import { Failure, Note, Skeleton } from "../parts/page";
import { agentContainer } from "./agent-container";
import { useMayWrite } from "./permission";

export function UpdateAgent({ server, onClose }: { server: ServerListItem; onClose: () => void }) {
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
        <>
          <Note tone="plain">{words.agent.noContainer}</Note>
          <p>{words.agent.onHost}</p>
        </>
      ) : (
        <Skeleton width="100%" height="6rem" />
      )}
    </Dialog>
  );
}

interface FromImageProps {
  server: ServerListItem;
  agent: ContainerListItem;
  onClose: () => void;
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
      request: updateAgent(server.id, asked === present ? null : asked),
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
