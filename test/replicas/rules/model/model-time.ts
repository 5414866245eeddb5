/** Something that happens at a time, 0 for never; of those at the same time, the one with the lower keys is first. */
export interface Due {
  readonly when: bigint;
  readonly keys: readonly number[];
  readonly happen: () => void;
}

/** Does what is due at or before a time, and what that makes due: docs/rules-sessions.md, "Time". */
export function bringTime(time: bigint, listDue: () => readonly Due[], mayGoOn: () => boolean): void {
  while (mayGoOn()) {
    const due = listDue().filter(({ when }) => when !== 0n && when <= time);
    const [first] = due.sort((a, b) => {
      if (a.when !== b.when) return a.when < b.when ? -1 : 1;
      const at = a.keys.findIndex((key, place) => key !== b.keys[place]);
      return (a.keys[at] ?? 0) - (b.keys[at] ?? 0);
    });
    if (first === undefined) return;
    first.happen();
  }
}
