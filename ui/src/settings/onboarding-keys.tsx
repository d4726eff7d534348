import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Server } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { call } from "../api/client";
import type { OnboardingKey } from "../api/types";
import { useWords } from "../i18n/words";
import { Switch } from "../parts/field";
import { Failure } from "../parts/page";
import { expiryText, Keys } from "./keys";

const AddServer = lazy(() => import("../servers/add-server").then(({ AddServer }) => ({ default: AddServer })));
const KEYS = ["onboarding-keys"];

export function OnboardingKeys() {
  const words = useWords();
  const client = useQueryClient();
  const [adding, setAdding] = useState(false);
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
  return (
    <>
      {enable.isError && <Failure error={enable.error} />}
      <Keys<OnboardingKey>
        name={words.settings.onboarding}
        text={words.settings.onboardingText}
        icon={<Server size={28} strokeWidth={1.5} />}
        none={words.settings.noOnboarding}
        keys={keys}
        keyOf={({ public_key }) => public_key}
        columns={[
          { header: words.common.name, cell: ({ name }) => name },
          {
            header: words.settings.enabled,
            cell: ({ enabled = false, public_key }) => (
              <Switch
                label={words.settings.enabled}
                on={enabled}
                onChange={(on) => enable.mutate({ public_key, enabled: on })}
              />
            ),
          },
          {
            header: words.nav.servers,
            optional: true,
            cell: ({ onboarded }) => words.settings.usedBy(onboarded?.length ?? 0),
          },
          { header: words.common.expires, cell: ({ expires }) => expiryText(words, expires ?? 0) },
        ]}
        add={{ label: words.servers.add, act: () => setAdding(true) }}
        remove={{
          title: ({ name }) => words.settings.deleteOnboarding(name ?? ""),
          text: words.settings.deleteOnboardingText,
          act: async ({ public_key }) => {
            await call("write", "DeleteOnboardingKey", { public_key });
            await changed();
          },
        }}
      />
      <Suspense>{adding && <AddServer onClose={() => setAdding(false)} />}</Suspense>
    </>
  );
}
