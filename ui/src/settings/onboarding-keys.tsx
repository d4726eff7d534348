import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus, Server, Trash2 } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { call } from "../api/client";
import type { OnboardingKey } from "../api/types";
import { useWords } from "../i18n/words";
import { Button } from "../parts/button";
import { Switch } from "../parts/field";
import { Empty, Failure, Skeleton } from "../parts/page";
import { DeleteKey, expiryText } from "./keys";
import styles from "./settings.module.css";

const AddServer = lazy(() => import("../servers/add-server").then(({ AddServer }) => ({ default: AddServer })));
const KEYS = ["onboarding-keys"];

export function OnboardingKeys() {
  const words = useWords();
  const client = useQueryClient();
  const [adding, setAdding] = useState(false);
  const [deleting, setDeleting] = useState<OnboardingKey | null>(null);
  const keys = useQuery({
    queryKey: KEYS,
    queryFn: ({ signal }) => call("read", "ListOnboardingKeys", {}, signal),
    retry: false,
  });
  const changed = () => client.invalidateQueries({ queryKey: KEYS });
  const enable = useMutation({
    mutationFn: (change: { public_key: string; enabled: boolean }) => call("write", "UpdateOnboardingKey", change),
    onSuccess: changed,
  });
  const add = (
    <Button look="primary" icon={<Plus size={16} />} onPress={() => setAdding(true)}>
      {words.servers.add}
    </Button>
  );
  return (
    <div className={styles.stack}>
      <div className={styles.head}>
        <p className={styles.hint}>{words.settings.onboardingText}</p>
        {keys.data && keys.data.length > 0 && add}
      </div>
      {keys.isPending && <Skeleton width="100%" height="6rem" />}
      {keys.isError && <Failure error={keys.error} retry={() => keys.refetch()} />}
      {enable.isError && <Failure error={enable.error} />}
      {keys.data?.length === 0 && (
        <Empty icon={<Server size={28} strokeWidth={1.5} />} title={words.settings.noOnboarding}>
          {add}
        </Empty>
      )}
      {keys.data && keys.data.length > 0 && (
        <table className={styles.table} aria-label={words.settings.onboarding}>
          <thead>
            <tr>
              <th scope="col">{words.common.name}</th>
              <th scope="col">{words.settings.enabled}</th>
              <th scope="col" className={styles.optional}>
                {words.nav.servers}
              </th>
              <th scope="col">{words.common.expires}</th>
              <th scope="col">
                <span className="visually-hidden">{words.common.actions}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {keys.data.map((key) => (
              <tr key={key.public_key}>
                <td>{key.name}</td>
                <td>
                  <Switch
                    label={words.settings.enabled}
                    on={key.enabled ?? false}
                    onChange={(enabled) => enable.mutate({ public_key: key.public_key, enabled })}
                  />
                </td>
                <td className={styles.optional}>{words.settings.usedBy(key.onboarded?.length ?? 0)}</td>
                <td>{expiryText(words, key.expires ?? 0)}</td>
                <td>
                  <Button
                    look="quiet"
                    label={words.settings.deleteOnboarding(key.name ?? "")}
                    icon={<Trash2 size={15} />}
                    onPress={() => setDeleting(key)}
                  />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <Suspense>{adding && <AddServer onClose={() => setAdding(false)} />}</Suspense>
      {deleting && (
        <DeleteKey
          title={words.settings.deleteOnboarding(deleting.name ?? "")}
          text={words.settings.deleteOnboardingText}
          remove={async () => {
            await call("write", "DeleteOnboardingKey", { public_key: deleting.public_key });
            await changed();
          }}
          onClose={() => setDeleting(null)}
        />
      )}
    </div>
  );
}
