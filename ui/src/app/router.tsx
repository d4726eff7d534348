// Every page and what its address may carry. Pages other than the list of servers are loaded when they are opened.
import {
  createRootRoute,
  createRoute,
  createRouter,
  type ErrorComponentProps,
  Link,
  lazyRouteComponent,
  Outlet,
  redirect,
} from "@tanstack/react-router";
import { OperateProvider } from "../containers/operate";
import { useWords } from "../i18n/words";
import { Button } from "../parts/button";
import { Empty } from "../parts/page";
import { ServersPage } from "../servers/servers-page";
import { session } from "../session/session";
import { Shell } from "./shell";

type Raw = Record<string, unknown>;
const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
const oneOf = <T extends string>(value: unknown, of: readonly T[]) => of.find((candidate) => candidate === value);
const filtered = (raw: Raw): { q?: string } => ({ q: text(raw.q) });

const root = createRootRoute({ component: Outlet });

/** A place on this page only: an address of elsewhere must not be opened after signing in. */
export const safeTarget = (value: unknown) =>
  typeof value === "string" && /^\/(?![/\\])/.test(value) ? value : undefined;

const login = createRoute({
  getParentRoute: () => root,
  path: "/login",
  validateSearch: (raw: Raw): { to?: string } => ({ to: safeTarget(raw.to) }),
  beforeLoad: () => {
    if (session.snapshot().state === "in") throw redirect({ to: "/servers" });
  },
  component: lazyRouteComponent(() => import("../session/login-page"), "LoginPage"),
});

const app = createRoute({
  getParentRoute: () => root,
  id: "_app",
  beforeLoad: ({ location }) => {
    if (session.snapshot().state !== "out") return;
    throw redirect({ to: "/login", search: location.href === "/" ? {} : { to: location.href } });
  },
  component: () => (
    <OperateProvider>
      <Shell />
    </OperateProvider>
  ),
});

const index = createRoute({
  getParentRoute: () => app,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/servers" });
  },
});

const servers = createRoute({
  getParentRoute: () => app,
  path: "/servers",
  validateSearch: filtered,
  component: ServersPage,
});

const server = createRoute({
  getParentRoute: () => app,
  path: "/servers/$server",
  validateSearch: (raw: Raw): { q?: string; sort?: string; tab?: "containers" | "host" | "settings" } => ({
    q: text(raw.q),
    sort: text(raw.sort),
    tab: oneOf(raw.tab, ["containers", "host", "settings"]),
  }),
  component: lazyRouteComponent(() => import("../servers/server-page"), "ServerPage"),
});

const container = createRoute({
  getParentRoute: () => app,
  path: "/servers/$server/containers/$container",
  validateSearch: (raw: Raw): { tab?: "log" | "inspect" } => ({ tab: oneOf(raw.tab, ["log", "inspect"]) }),
  component: lazyRouteComponent(() => import("../containers/container-page"), "ContainerPage"),
});

const activity = createRoute({
  getParentRoute: () => app,
  path: "/activity",
  validateSearch: filtered,
  component: lazyRouteComponent(() => import("../updates/updates-page"), "UpdatesPage"),
});

const update = createRoute({
  getParentRoute: () => activity,
  path: "/$update",
  component: lazyRouteComponent(() => import("../updates/update-panel"), "UpdatePanel"),
});

const alerts = createRoute({
  getParentRoute: () => app,
  path: "/alerts",
  component: lazyRouteComponent(() => import("../alerts/alerts-page"), "AlertsPage"),
});

const settings = createRoute({
  getParentRoute: () => app,
  path: "/settings",
  component: lazyRouteComponent(() => import("../settings/settings-page"), "SettingsPage"),
});

const settingsIndex = createRoute({
  getParentRoute: () => settings,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/settings/appearance" });
  },
});

const appearance = createRoute({
  getParentRoute: () => settings,
  path: "/appearance",
  component: lazyRouteComponent(() => import("../settings/appearance"), "Appearance"),
});

const apiKeys = createRoute({
  getParentRoute: () => settings,
  path: "/api-keys",
  component: lazyRouteComponent(() => import("../settings/api-keys"), "ApiKeys"),
});

const onboarding = createRoute({
  getParentRoute: () => settings,
  path: "/onboarding",
  component: lazyRouteComponent(() => import("../settings/onboarding-keys"), "OnboardingKeys"),
});

const elsewhere = createRoute({ getParentRoute: () => app, path: "$", component: NotFound });

const tree = root.addChildren([
  login,
  app.addChildren([
    index,
    servers,
    server,
    container,
    activity.addChildren([update]),
    alerts,
    settings.addChildren([settingsIndex, appearance, apiKeys, onboarding]),
    elsewhere,
  ]),
]);

export const router = createRouter({
  routeTree: tree,
  defaultPreload: "intent",
  scrollRestoration: true,
  defaultErrorComponent: Broken,
  defaultNotFoundComponent: NotFound,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

function NotFound() {
  const words = useWords();
  return (
    <Empty whole title={words.failure.notFound}>
      <Link to="/servers">{words.failure.toServers}</Link>
    </Empty>
  );
}

/** Parts of an older page are gone once Core was updated: the page must be loaded anew. */
const isOutdated = (error: unknown) =>
  error instanceof Error && /dynamically imported module|module script/i.test(error.message);

function Broken({ error }: ErrorComponentProps) {
  const words = useWords();
  return (
    <Empty whole title={isOutdated(error) ? words.failure.updated : words.failure.title}>
      {!isOutdated(error) && <p lang="en">{String(error)}</p>}
      <Button look="primary" onPress={() => location.reload()}>
        {words.failure.reload}
      </Button>
    </Empty>
  );
}
