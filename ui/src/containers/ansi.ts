// Colours that programs write into their logs: the eight of the terminal and bold, everything else is dropped.

export type AnsiColour = "bad" | "ok" | "warn" | "accent" | "protect" | "quiet";

export interface Piece {
  text: string;
  colour: AnsiColour | null;
  bold: boolean;
}

const colours: Record<number, AnsiColour | null> = {
  30: "quiet",
  31: "bad",
  32: "ok",
  33: "warn",
  34: "accent",
  35: "protect",
  36: "accent",
  37: null,
  39: null,
  90: "quiet",
  91: "bad",
  92: "ok",
  93: "warn",
  94: "accent",
  95: "protect",
  96: "accent",
  97: null,
};

const ESCAPE =
  /\x1b\[([0-9;]*)([A-Za-z])|\x1b[()][A-Z0-9]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.|[\x00-\x08\x0b-\x1f\x7f]/g;

/** A line cut into pieces of one look; without escapes it is one piece. */
export function pieces(line: string): Piece[] {
  const found: Piece[] = [];
  let colour: AnsiColour | null = null;
  let bold = false;
  let from = 0;
  const push = (to: number) => {
    if (to > from) found.push({ text: line.slice(from, to), colour, bold });
  };
  for (const match of line.matchAll(ESCAPE)) {
    push(match.index);
    from = match.index + match[0].length;
    if (match[2] !== "m") continue;
    const codes = (match[1] || "0").split(";").map(Number);
    for (let at = 0; at < codes.length; at += 1) {
      const code = codes[at] ?? 0;
      if (code === 0) {
        colour = null;
        bold = false;
      } else if (code === 1) bold = true;
      else if (code === 22) bold = false;
      // 256 and true colours: their parameters are no codes of their own.
      else if (code === 38 || code === 48) at += codes[at + 1] === 5 ? 2 : 4;
      else if (code in colours) colour = colours[code] ?? null;
    }
  }
  push(line.length);
  return found;
}

/** The text without colours. */
export const plain = (line: string) => line.replace(ESCAPE, "");
