// Any page can ask for an operation; it is always shown as a plan first, and followed to its end.
import { createContext, lazy, type ReactNode, Suspense, useCallback, useContext, useMemo, useState } from "react";
import type { PlannedRequest } from "../api/operations";

const PlanDialog = lazy(() => import("./plan-dialog").then(({ PlanDialog }) => ({ default: PlanDialog })));
const Follow = lazy(() => import("../updates/follow").then(({ Follow }) => ({ default: Follow })));

export interface Wish {
  request: PlannedRequest;
  /** Name of the server, until the plan says it. */
  serverName: string;
  /** Heading, where the action and its target do not say it. */
  title?: string;
}

/** An operation that goes on while its dialog is closed. */
export interface Followed {
  update: string;
  title: string;
  serverName: string;
}

interface Operate {
  open: (wish: Wish) => void;
  follow: (followed: Followed) => void;
}

const OperateContext = createContext<Operate>({ open: () => {}, follow: () => {} });

/** Operations followed at the same time at most; the oldest is let go. */
const FOLLOWED_MAX = 16;

export function OperateProvider({ children }: { children: ReactNode }) {
  const [wish, setWish] = useState<Wish | null>(null);
  const [followed, setFollowed] = useState<readonly Followed[]>([]);
  const operate = useMemo<Operate>(
    () => ({
      open: setWish,
      follow: (one) =>
        setFollowed((before) => [...before.filter(({ update }) => update !== one.update), one].slice(-FOLLOWED_MAX)),
    }),
    [],
  );
  const ended = useCallback(
    (update: string) => setFollowed((before) => before.filter((one) => one.update !== update)),
    [],
  );
  return (
    <OperateContext value={operate}>
      {children}
      <Suspense>{wish && <PlanDialog key={JSON.stringify(wish)} wish={wish} onClose={() => setWish(null)} />}</Suspense>
      <Suspense>
        {followed.map((one) => (
          <Follow key={one.update} followed={one} onEnd={ended} />
        ))}
      </Suspense>
    </OperateContext>
  );
}

/** Opens the plan of a request. */
export const useOperate = () => useContext(OperateContext).open;

/** Follows an operation in the background, and says how it ended. */
export const useFollow = () => useContext(OperateContext).follow;
