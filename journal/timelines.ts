/**
 * A journal that was restored from a backup goes on otherwise than the one before, which may even be alive somewhere: two
 * timelines. Epochs tell them apart. A writer raises the epoch by one, a restore to the next multiple of
 * {@link TIMELINE_EPOCHS}; so whoever sees an epoch knows which timeline it is of, and that of the restored venue is higher
 * than any that the venue before can come to by being started again.
 */
export const TIMELINE_EPOCHS = 2 ** 20;

/** Which timeline an epoch is of: 0 for a venue that was never restored. */
export function timelineOf(epoch: number): number {
  return Math.floor(epoch / TIMELINE_EPOCHS);
}

/** The first epoch of the timeline after the one that `epoch` is of. */
export function nextTimeline(epoch: number): number {
  return (timelineOf(epoch) + 1) * TIMELINE_EPOCHS;
}
