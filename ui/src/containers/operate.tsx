// Any page can ask for an operation; it is always shown as a plan first.
import { createContext, lazy, type ReactNode, Suspense, useContext, useState } from "react";
import type { ContainerRequest } from "../api/operations";

const PlanDialog = lazy(() => import("./plan-dialog").then(({ PlanDialog }) => ({ default: PlanDialog })));

export interface Wish {
  request: ContainerRequest;
  /** Name of the server, until the plan says it. */
  serverName: string;
}

const OperateContext = createContext<(wish: Wish) => void>(() => {});

export function OperateProvider({ children }: { children: ReactNode }) {
  const [wish, setWish] = useState<Wish | null>(null);
  return (
    <OperateContext value={setWish}>
      {children}
      <Suspense>{wish && <PlanDialog key={JSON.stringify(wish)} wish={wish} onClose={() => setWish(null)} />}</Suspense>
    </OperateContext>
  );
}

/** Opens the plan of a request. */
export const useOperate = () => useContext(OperateContext);
