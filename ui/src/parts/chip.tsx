import type { ReactNode } from "react";
import { Button, TooltipTrigger } from "react-aria-components";
import styles from "./chip.module.css";
import { Tip } from "./tooltip";

export type Tone = "ok" | "warn" | "bad" | "neutral" | "accent" | "protect";

interface ChipProps {
  tone: Tone;
  icon: ReactNode;
  children: ReactNode;
}

/** A state: always an icon and a word, never colour alone. */
export const Chip = ({ tone, icon, children }: ChipProps) => (
  <span className={`${styles.chip} ${styles[tone]}`}>
    {icon}
    <span>{children}</span>
  </span>
);

/** A state that can be asked why: focus or point at it. */
export const ChipWithReason = ({
  tone,
  icon,
  children,
  reason,
  tabbable = true,
}: ChipProps & { reason: ReactNode; tabbable?: boolean }) => (
  <TooltipTrigger delay={200}>
    <Button className={`${styles.chip} ${styles[tone]}`} excludeFromTabOrder={!tabbable}>
      {icon}
      <span>{children}</span>
    </Button>
    <Tip>{reason}</Tip>
  </TooltipTrigger>
);
