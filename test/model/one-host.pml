/*
 * One journal folder, several processes: take-over by raising the epoch, as journal/log.ts does it.
 *
 * A life is one run of a process: it opens the journal with a take-over at any moment, appends, acknowledges, and ends
 * served, fenced or killed. Every order of steps is tried, so a life may also sleep anywhere for any time and wake up
 * fenced. No clock and no lease appears: when a standby takes over is left to chance, which is every lease there can be.
 *
 * Bounds: LIVES lives, each of which appends up to LIFE_BLOCKS blocks; SEGMENTS segments of up to SEGMENT_BLOCKS blocks,
 * given up for the next at any time from the first block on; every life may be killed at any step; LOSSES losses of power.
 *
 * A transaction is two steps, the commit that others see and the flush. It holds LMDB's lock on the segment until the
 * flush; a kill gives the lock back. What was committed and not flushed when a writer was killed or the power was lost is
 * on disk or is not. A segment's name is in the folder before the folder is flushed, and then a loss of power may take it.
 *
 * Rules and properties are numbered as in docs/protocol.md. Defining one of BREAK_... leaves a rule out; a run must then
 * break a property.
 */
#ifndef LIVES
#define LIVES 4
#endif
#ifndef LIFE_BLOCKS
#define LIFE_BLOCKS 2
#endif
#ifndef LOSSES
#define LOSSES 1
#endif
#ifndef SEGMENTS
#define SEGMENTS 2
#endif
#define SEGMENT_BLOCKS 2
#define BLOCKS (SEGMENTS * SEGMENT_BLOCKS)

/* Each segment twice: as processes see it, and as it is on disk. */
#define SEEN 0
#define DISK SEGMENTS
#define COPIES (2 * SEGMENTS)

bool named[COPIES]; /* has its name in the folder */
byte epoch[COPIES]; /* 0: not begun */
byte start[COPIES]; /* number of the block before the first one */
byte count[COPIES];
byte sealed[COPIES]; /* number of its last block + 1; 0: not sealed */
bool next[COPIES]; /* the following segment is named */
byte block[COPIES * SEGMENT_BLOCKS]; /* the life that wrote it */
byte lock[SEGMENTS]; /* the life in a transaction + 1 */

/* What clients were told: the life that wrote the block. */
byte acked[BLOCKS + 1];
/* The life that acknowledged under an epoch. */
#define EPOCHS_MAX (LIVES * SEGMENTS + 1)
byte acknowledging[EPOCHS_MAX];

mtype = { waiting, running, served, fenced, killed };
mtype status[LIVES] = waiting;
byte lifeEpoch[LIVES];
byte losses;
/* The highest epoch of a life, and the last one to get it. */
byte highest, highestLife;

#define hasEnded(which) (status[which] != waiting && status[which] != running)
#if LIVES == 2
#define allEnded (hasEnded(0) && hasEnded(1))
#elif LIVES == 3
#define allEnded (hasEnded(0) && hasEnded(1) && hasEnded(2))
#endif

hidden byte i, j, k, length;

inline copySegment(from, to) {
  epoch[to] = epoch[from];
  start[to] = start[from];
  count[to] = count[from];
  sealed[to] = sealed[from];
  next[to] = next[from];
  for (j : 0 .. SEGMENT_BLOCKS - 1) {
    block[(to) * SEGMENT_BLOCKS + j] = block[(from) * SEGMENT_BLOCKS + j];
  }
  j = 0;
}

inline clearSegment(which) {
  named[which] = false;
  epoch[which] = 0;
  start[which] = 0;
  count[which] = 0;
  sealed[which] = 0;
  next[which] = false;
  for (j : 0 .. SEGMENT_BLOCKS - 1) {
    block[(which) * SEGMENT_BLOCKS + j] = 0;
  }
  j = 0;
}

/* Property 1: what was acknowledged is in the chain that a reader finds, and nothing else is in its place. */
inline checkChain(copy) {
  i = 0;
  length = 0;
  do
  :: epoch[copy + i] == 0 -> break
  :: else ->
    /* Property 2: one chain. */
    assert(start[copy + i] == length);
    length = (sealed[copy + i] != 0 -> sealed[copy + i] - 1 : start[copy + i] + count[copy + i]);
    for (j : 1 .. BLOCKS) {
      if
      :: j > start[copy + i] && j <= length && acked[j] != 0 ->
        assert(acked[j] == block[(copy + i) * SEGMENT_BLOCKS + j - start[copy + i] - 1])
      :: else
      fi
    }
    if
    :: sealed[copy + i] != 0 && next[copy + i] -> i++
    :: else -> break
    fi
  od;
  for (j : 1 .. BLOCKS) {
    assert(j <= length || acked[j] == 0);
  }
  j = 0;
}

/* Ends a transaction: what was committed is on disk, and the next one may begin. */
inline flush(which) {
  d_step {
    copySegment(which, DISK + which);
    checkChain(DISK);
    lock[which] = 0;
  }
}

/* Rule 2: a block is acknowledged when it is flushed. */
inline acknowledge() {
  d_step {
    assert(acked[last] == 0 || acked[last] == me + 1);
    acked[last] = me + 1;
    checkChain(SEEN);
#ifndef BREAK_ACKNOWLEDGED_BEFORE
    checkChain(DISK);
#endif
    /* Property 4: one primary acknowledges under an epoch. */
    assert(acknowledging[mine] == 0 || acknowledging[mine] == me + 1);
    acknowledging[mine] = me + 1
  }
}

/* Rule 4: what a life found and builds upon, it flushes: whoever wrote it may have been killed before. */
inline flushFound(which) {
#ifdef BREAK_FOUND_NOT_FLUSHED
  skip
#else
  d_step {
    copySegment(which, DISK + which);
    checkChain(DISK)
  }
#endif
}

/* A segment gets its name by one rename, if it has none yet. */
inline makeSegment(which) {
  d_step {
    if
    :: !named[which] ->
      clearSegment(which);
      clearSegment(DISK + which);
      named[which] = true
    :: else
    fi
  }
}

inline syncFolder() {
#ifdef BREAK_FOLDER_NOT_FLUSHED
  skip
#else
  d_step {
    for (j : 0 .. SEGMENTS - 1) {
      named[DISK + j] = named[j];
    }
    j = 0;
  }
#endif
}

/* Rule 3: opens a segment with a higher epoch. */
inline raise() {
  atomic {
    lock[segment] == 0;
    d_step {
#ifdef BREAK_NOT_RAISED
      mine = (mine == 0 && epoch[segment] == 0 -> 1 : (epoch[segment] > mine -> epoch[segment] : mine));
#else
      mine = (epoch[segment] + 1 > mine -> epoch[segment] + 1 : mine);
#endif
      putEpoch(segment)
    }
  }
  flush(segment)
}

inline putEpoch(which) {
  if
  :: epoch[which] == 0 && which > 0 -> start[which] = sealed[which - 1] - 1
  :: else
  fi;
  epoch[which] = mine;
  lock[which] = me + 1;
  if
  :: mine >= highest -> highest = mine; highestLife = me
  :: else
  fi
}

/*
 * Rule 5: gives up the segment in use, which is sealed. The next one gets this life's epoch, unless a life with a higher one
 * was there; then the old one names it, if this life was not passed there.
 */
inline follow() {
  makeSegment(segment + 1);
  syncFolder();
  atomic {
    lock[segment + 1] == 0;
    if
#if defined(BREAK_NEXT_RAISED)
    :: epoch[segment + 1] >= mine && isTakeOver ->
      before = mine;
      mine = epoch[segment + 1] + 1
    :: epoch[segment + 1] > mine && !isTakeOver -> goto lost
#elif defined(BREAK_NEXT_KEPT)
    :: epoch[segment + 1] != 0 && epoch[segment + 1] != mine -> goto lost
#else
    :: epoch[segment + 1] >= mine ->
      /* Refused only to a life that was passed in the old segment, too. */
      assert(epoch[segment] > mine);
      goto lost
#endif
    :: else
    fi;
    d_step { putEpoch(segment + 1) }
  }
  flush(segment + 1);
  atomic {
    lock[segment] == 0;
    if
#ifdef BREAK_NEXT_RAISED
    :: epoch[segment] != mine && epoch[segment] != before -> goto lost
#else
    :: epoch[segment] != mine -> goto lost
#endif
    :: else
    fi;
    d_step {
      next[segment] = true;
      lock[segment] = me + 1
    }
  }
  atomic {
    flush(segment);
    segment++
  }
}

active [LIVES] proctype life() {
  byte me = _pid;
  byte mine; /* the epoch of this life */
  byte segment; /* in use */
  byte last; /* number of the last block */
  byte written;
#ifdef BREAK_NEXT_RAISED
  byte before;
  bool isTakeOver = true;
#endif

  {
    /* Lives are alike, so they begin in order. */
    atomic {
      me == 0 || status[me - 1] != waiting;
      status[me] = running;
      makeSegment(0)
    }
    syncFolder();
    /*
     * Begins at the last segment. If the one before does not name it, its roll was not finished: begin there to fence whoever
     * is at it.
     */
    atomic {
      if
      :: named[1] && next[0] ->
        flushFound(0);
        segment = 1
      :: else
      fi
    }
    raise();
    do
    :: sealed[segment] == 0 -> break
    :: atomic {
        sealed[segment] != 0 && next[segment];
        flushFound(segment);
        segment++
      }
      raise()
    :: sealed[segment] != 0 && !next[segment] -> follow()
    od;
    /* The end of the chain, read outside of a transaction. */
    atomic {
      d_step {
        last = start[segment] + count[segment];
        checkChain(SEEN);
        k = (count[segment] == 0 -> 0 : lifeEpoch[block[segment * SEGMENT_BLOCKS + count[segment] - 1] - 1]);
        lifeEpoch[me] = mine
      }
      /* Property 3: epochs rise along the chain. A block of a higher one is of a life that took over meanwhile. */
      if
      :: k >= mine ->
        assert(epoch[segment] > mine);
        goto lost
      :: else
      fi
    }
#ifdef BREAK_NEXT_RAISED
    isTakeOver = false;
#endif
    do
    :: atomic {
        written == LIFE_BLOCKS || last == start[segment] + SEGMENT_BLOCKS && segment == SEGMENTS - 1;
        status[me] = served;
        goto done
      }
    /* Rule 1: the epoch check and the block in one transaction. */
    :: atomic {
#ifdef BREAK_CHECKED_BEFORE
        written < LIFE_BLOCKS && last < start[segment] + SEGMENT_BLOCKS;
        if
        :: epoch[segment] != mine -> goto lost
        :: else
        fi
      }
      atomic {
#endif
        written < LIFE_BLOCKS && last < start[segment] + SEGMENT_BLOCKS && lock[segment] == 0;
        if
#if !defined(BREAK_NOT_CHECKED) && !defined(BREAK_CHECKED_BEFORE)
        :: epoch[segment] != mine -> goto lost
#endif
        /* LMDB has an entry where a new one belongs. */
        :: last - start[segment] != count[segment] -> goto lost
        :: else
        fi;
        d_step {
          /* Property 5: nothing of a life that was passed enters the chain. */
          assert(epoch[segment] == mine);
          block[segment * SEGMENT_BLOCKS + count[segment]] = me + 1;
          count[segment] = count[segment] + 1;
          lock[segment] = me + 1;
          last++;
          written++
        }
      }
#ifdef BREAK_ACKNOWLEDGED_BEFORE
      acknowledge();
      flush(segment)
#else
      flush(segment);
      acknowledge()
#endif
    /* Rule 5: the segment is sealed, and given up. */
    :: atomic {
        written < LIFE_BLOCKS && last > start[segment] && segment < SEGMENTS - 1 && lock[segment] == 0;
        if
#ifndef BREAK_SEALED_UNCHECKED
        :: epoch[segment] != mine -> goto lost
#endif
        :: else
        fi;
        d_step {
          sealed[segment] = last + 1;
          lock[segment] = me + 1
        }
      }
      flush(segment);
      follow()
    od;
lost:
    skip;
    status[me] = fenced;
done:
    skip
  } unless {
    status[me] == killed
  }
}

inline giveUp(which) {
  d_step {
    status[which] = killed;
    for (i : 0 .. SEGMENTS - 1) {
      if
      :: lock[i] == which + 1 -> lock[i] = 0
      :: else
      fi
    }
    i = 0
  }
}

/* What was not flushed is on disk or is not. */
inline perhapsWriteBack() {
  for (k : 0 .. SEGMENTS - 1) {
    if
    :: true
    :: true -> d_step { copySegment(k, DISK + k) }
    fi
  }
  k = 0
}

/* Kills one life, at any step or never. */
active [LIVES] proctype fate() {
end:
  atomic {
    status[_pid - LIVES] == running;
    giveUp(_pid - LIVES);
    perhapsWriteBack()
  }
}

active proctype losing() {
  byte victim;
end:
  do
  :: atomic {
      losses < LOSSES && status[0] != waiting && !allEnded;
      losses++;
      for (victim : 0 .. LIVES - 1) {
        if
        :: status[victim] == running -> giveUp(victim)
        :: else
        fi
      }
      victim = 0;
      perhapsWriteBack();
      for (k : 0 .. SEGMENTS - 1) {
        if
        :: named[k] && !named[DISK + k] ->
          if
          :: d_step { clearSegment(k); clearSegment(DISK + k) }
          :: named[DISK + k] = true
          fi
        :: else
        fi;
        d_step { copySegment(DISK + k, k) }
      }
      d_step { checkChain(SEEN); checkChain(DISK) }
    }
  od
}

/*
 * Property 6: the life that took the journal over last serves, unless it is killed. Every run ends, so this is asked where
 * it ends; a life that waits for ever would be an invalid end state.
 */
active proctype finale() {
  allEnded;
  assert(status[highestLife] == served || status[highestLife] == killed)
}
