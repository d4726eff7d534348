import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { KeyRound, Plus, Trash2 } from "lucide-react";
import { type FormEvent, useState } from "react";
import { call } from "../api/client";
import type { ApiKey } from "../api/types";
import { date } from "../i18n/format";
import { useWords } from "../i18n/words";
import { Button } from "../parts/button";
import { Dialog } from "../parts/dialog";
import { Segments, TextField } from "../parts/field";
import { CopyText, Empty, Failure, Note, Skeleton } from "../parts/page";
import { DeleteKey, type Expiry, expiresAt, expiryOptions, expiryText } from "./keys";
import styles from "./settings.module.css";

const KEYS = ["api-keys"];

export function ApiKeys() {
  const words = useWords();
  const client = useQueryClient();
  const [creating, setCreating] = useState(false);
  const [deleting, setDeleting] = useState<ApiKey | null>(null);
  const keys = useQuery({ queryKey: KEYS, queryFn: ({ signal }) => call("read", "ListApiKeys", {}, signal) });
  const changed = () => client.invalidateQueries({ queryKey: KEYS });
  const add = (
    <Button look="primary" icon={<Plus size={16} />} onPress={() => setCreating(true)}>
      {words.settings.newApiKey}
    </Button>
  );
  return (
    <div className={styles.stack}>
      <div className={styles.head}>
        <p className={styles.hint}>{words.settings.apiKeysText}</p>
        {keys.data && keys.data.length > 0 && add}
      </div>
      {keys.isPending && <Skeleton width="100%" height="6rem" />}
      {keys.isError && <Failure error={keys.error} retry={() => keys.refetch()} />}
      {keys.data?.length === 0 && (
        <Empty icon={<KeyRound size={28} strokeWidth={1.5} />} title={words.settings.noApiKeys}>
          {add}
        </Empty>
      )}
      {keys.data && keys.data.length > 0 && (
        <table className={styles.table} aria-label={words.settings.apiKeys}>
          <thead>
            <tr>
              <th scope="col">{words.common.name}</th>
              <th scope="col" className={styles.optional}>
                {words.settings.key}
              </th>
              <th scope="col" className={styles.optional}>
                {words.common.created}
              </th>
              <th scope="col">{words.common.expires}</th>
              <th scope="col">
                <span className="visually-hidden">{words.common.actions}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {keys.data.map((key) => (
              <tr key={key.key}>
                <td>{key.name}</td>
                <td className={styles.optional}>
                  <code>{key.key.slice(0, 10)}…</code>
                </td>
                <td className={styles.optional}>{date(words.locale, key.created_at)}</td>
                <td>{expiryText(words, key.expires)}</td>
                <td>
                  <Button
                    look="quiet"
                    label={words.settings.deleteApiKey(key.name)}
                    icon={<Trash2 size={15} />}
                    onPress={() => setDeleting(key)}
                  />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {creating && <CreateKey onClose={() => setCreating(false)} onCreated={changed} />}
      {deleting && (
        <DeleteKey
          title={words.settings.deleteApiKey(deleting.name)}
          text={words.settings.deleteApiKeyText}
          remove={async () => {
            await call("auth/manage", "DeleteApiKey", { key: deleting.key });
            await changed();
          }}
          onClose={() => setDeleting(null)}
        />
      )}
    </div>
  );
}

function CreateKey({ onClose, onCreated }: { onClose: () => void; onCreated: () => void }) {
  const words = useWords();
  const [name, setName] = useState("");
  const [expiry, setExpiry] = useState<Expiry>("year");
  const create = useMutation({
    mutationFn: () =>
      call("auth/manage", "CreateApiKey", { name: name.trim(), expires: expiresAt(expiry, Date.now()) }),
    onSuccess: onCreated,
  });
  const submit = () => {
    if (name.trim() && !create.isPending) create.mutate();
  };
  if (create.data) {
    return (
      <Dialog
        title={words.settings.apiKeyCreated}
        onClose={onClose}
        foot={
          <Button look="primary" onPress={onClose} autoFocus>
            {words.common.done}
          </Button>
        }
      >
        <Note tone="warn">{words.settings.shownOnce}</Note>
        <div>
          <span className={styles.label}>{words.settings.key}</span>
          <CopyText label={words.settings.key} text={create.data.key} />
        </div>
        <div>
          <span className={styles.label}>{words.settings.secret}</span>
          <CopyText label={words.settings.secret} text={create.data.secret} />
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog
      title={words.settings.newApiKey}
      onClose={onClose}
      foot={
        <>
          <Button onPress={onClose}>{words.common.cancel}</Button>
          <Button look="primary" onPress={submit}>
            {words.common.create}
          </Button>
        </>
      }
    >
      <form
        className={styles.form}
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          submit();
        }}
      >
        <TextField label={words.common.name} value={name} onChange={setName} maxLength={200} required autoFocus />
        <Segments
          label={words.common.expires}
          value={expiry}
          onChange={setExpiry}
          options={expiryOptions(words, ["month", "year", "never"])}
        />
      </form>
      {create.isError && <Failure error={create.error} />}
    </Dialog>
  );
}
