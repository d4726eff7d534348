import type { ReactNode } from "react";
import { Tooltip } from "react-aria-components";
import styles from "./tooltip.module.css";

export const Tip = ({ children }: { children: ReactNode }) => (
  <Tooltip offset={6} className={styles.tip}>
    {children}
  </Tooltip>
);
