import { Link, Outlet } from "@tanstack/react-router";
import { useWords } from "../i18n/words";
import { pageClass, TitleBar, useTitle } from "../parts/page";
import serverStyles from "../servers/server.module.css";

export function SettingsPage() {
  const words = useWords();
  useTitle(words.settings.title);
  const tabs = [
    { to: "/settings/appearance", name: words.settings.appearance },
    { to: "/settings/api-keys", name: words.settings.apiKeys },
    { to: "/settings/onboarding", name: words.settings.onboarding },
  ] as const;
  return (
    <div className={pageClass}>
      <TitleBar title={words.settings.title} />
      <nav className={serverStyles.tabs} aria-label={words.settings.title}>
        {tabs.map(({ to, name }) => (
          <Link key={to} to={to} className={serverStyles.tab}>
            {name}
          </Link>
        ))}
      </nav>
      <div className={serverStyles.scrolls}>
        <Outlet />
      </div>
    </div>
  );
}
