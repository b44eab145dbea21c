import { InvalidArgumentError } from "commander";

/** Takes an option's text for a number, for commander. */
export const numberFrom =
  (from: number, to = Number.MAX_SAFE_INTEGER, kind: "whole" | "any" = "whole") =>
  (text: string): number => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    const range = to === Number.MAX_SAFE_INTEGER ? `${from} or more` : `from ${from} to ${to}`;
    if (!(value >= from && value <= to) || (kind === "whole" && !Number.isInteger(value)))
      throw new InvalidArgumentError(`It must be a ${kind === "whole" ? "whole " : ""}number, ${range}.`);
    return value;
  };
export const numberAbove0 = (text: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError("It must be a number above 0.");
  return value;
};
