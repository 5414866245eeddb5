/*
 * Several hosts, one replicated log: candidates, primaries and readers, by rules 6 to 10 of docs/protocol.md.
 *
 * Of the log this trusts only that it is one sequence of slots of which nothing is taken away, and that a PubAck names the
 * slot. A publish may be stored at any later time, long after its publisher gave it up or ended; PubAcks may come late or
 * never, in any order; and with LOG_CHECKS 0 the log may store a publish although its expected last slot is not the last
 * one, as if it had no such check. A life is one run of a process: a candidacy and what comes of it. It may stop at any step
 * and for any time; a later life of its host begins with its journal and nothing else.
 *
 * Bounds: LIVES lives, the first HOSTS of them on hosts of their own, the others in their places; each has up to
 * LIFE_BLOCKS blocks, IN_FLIGHT of them published at a time; all together begin to publish anew REPEATS times at most (0 or
 * 1 with LOG_CHECKS 1), and who would have to after that stops. A candidate may have read any beginning of the log when it chooses its epoch.
 *
 * Defining one of BREAK_... leaves a rule out; a run must then break a property.
 */
#ifndef LIVES
#define LIVES 3
#endif
#ifndef HOSTS
#define HOSTS 2
#endif
#ifndef LIFE_BLOCKS
#define LIFE_BLOCKS 2
#endif
#ifndef IN_FLIGHT
#define IN_FLIGHT 2
#endif
#ifndef REPEATS
#define REPEATS 1
#endif
#ifndef LOG_CHECKS
#define LOG_CHECKS 0
#endif
#define MESSAGES (LIVES * LIFE_BLOCKS)
#define message(who, which) ((who) * LIFE_BLOCKS + (which) - 1)
#define BLOCKS MESSAGES
#define SLOTS (LIVES * (1 + LIFE_BLOCKS) + REPEATS * IN_FLIGHT)

/* What is in a slot: the life, and which of its blocks; 0 is its epoch record. Slots are counted from 1. */
#define content(who, which) (1 + (who) * (LIFE_BLOCKS + 1) + (which))
#define publisherOf(slot) ((log[slot] - 1) / (LIFE_BLOCKS + 1))
#define messageOf(slot) ((log[slot] - 1) % (LIFE_BLOCKS + 1))
byte log[SLOTS + 1];
byte lastSlot;

#define UNBORN 0
#define CANDIDATE 1
#define LEADING 2
#define SETTLING 3
#define FENCED 4
#define RETIRED 5
#define STOPPED 6
#define leads(who) (phase[who] == LEADING || phase[who] == SETTLING)
byte phase[LIVES];
byte epoch[LIVES]; /* of the record and the envelopes of a life */
bool recordSent[LIVES];
byte recordSlot[LIVES];
#ifdef BREAK_RECORD_CONDITIONAL
byte seen[LIVES]; /* the last slot when the record was sent */
#endif
byte base[LIVES]; /* number of the block that the life continues from */
byte baseBlock[LIVES]; /* that block */
byte known[LIVES]; /* the last slot of which the life knows what is in it */
byte confirmed[LIVES], published[LIVES];
byte repeats;
/* Where its blocks belong: each behind the one before, from the known slot on. */
#define slotOf(who, which) (known[who] - confirmed[who] + (which))

/* Of each block of each life: whether it is under way, the slot in a PubAck under way, a rejection under way, and copies under
 * way that were given up. */
bool underWay[MESSAGES];
byte pubAck[MESSAGES];
bool rejected[MESSAGES];
byte givenUp[MESSAGES];

byte chainInLog; /* blocks that a reader of all of it accepts */
byte journal[HOSTS]; /* blocks */
byte acked[BLOCKS + 1]; /* what clients were told of, by number */
byte acknowledging[LIVES + 1]; /* the life, + 1, under an epoch */

/* What a reader makes of the first slots of the log. */
hidden byte chain[SLOTS + 1];
hidden byte chainLength, inForce, inForceLife, highestBefore;
hidden byte i, j, who, what;

#ifdef BREAK_ENVELOPE_IGNORED
#define isOfEpoch true
#else
#define isOfEpoch (epoch[who] == inForce)
#endif
#ifdef BREAK_CHAIN_IGNORED
#define isNext true
#else
#define isNext (base[who] + what == chainLength + 1 && chain[chainLength] == (what == 1 -> baseBlock[who] : log[i] - 1))
#endif

/* Rule 7, the reader's. */
inline read(upTo) {
  chainLength = 0;
  inForce = 0;
  inForceLife = 0;
  chain[0] = 0;
  for (i : 1 .. upTo) {
    who = publisherOf(i);
    what = messageOf(i);
    if
    :: what == 0 ->
      if
      :: epoch[who] > inForce -> inForce = epoch[who]; inForceLife = who
      :: else
      fi
    :: else ->
      if
      :: isOfEpoch && isNext ->
        chainLength++;
        chain[chainLength] = log[i]
      :: else
      fi
    fi
  }
  i = 0;
  who = 0;
  what = 0
}

/* Property 1: every reader has what was acknowledged, in its place. */
inline checkAcknowledged() {
  for (j : 1 .. BLOCKS) {
    assert(acked[j] == 0 || (j <= chainLength && chain[j] == acked[j]))
  }
  j = 0
}

/* Property 5: behind an epoch record that counts, nothing of a lower epoch enters the chain. */
inline checkFenced() {
  if
  :: inForce > 0 && leads(inForceLife) ->
    for (j : base[inForceLife] + 1 .. chainLength) {
      assert(chain[j] == content(inForceLife, j - base[inForceLife]))
    }
    assert(chainLength >= base[inForceLife])
  :: else
  fi;
  j = 0
}

inline store(bytes) {
  lastSlot++;
  log[lastSlot] = bytes;
  read(lastSlot);
  /* Property 2: one chain, which grows at its end. */
  assert(chainLength >= chainInLog);
  chainInLog = chainLength;
  checkAcknowledged();
  checkFenced()
}

/* A block of this life is in the log: it goes into the journal, then clients are told. */
inline confirm(which) {
  read(lastSlot);
  /* Property 3: a journal is a beginning of the chain. */
  j = base[me] + which;
  assert(j <= chainLength && chain[j] == content(me, which));
  journal[me % HOSTS] = j;
  acked[j] = content(me, which);
  checkAcknowledged();
  /* Property 1: later primaries have it, too. */
  for (j : 0 .. LIVES - 1) {
    assert(!leads(j) || epoch[j] <= epoch[me] || base[j] >= base[me] + which)
  }
  j = 0;
  /* Property 4: one primary acknowledges under an epoch. */
  assert(acknowledging[epoch[me]] == 0 || acknowledging[epoch[me]] == me + 1);
  acknowledging[epoch[me]] = me + 1
}

/* Something is not as expected: every publish that has no answer is given up, and the log is to be read. */
inline settle() {
  phase[me] = (repeats < REPEATS -> SETTLING : STOPPED);
  repeats = (repeats < REPEATS -> repeats + 1 : REPEATS);
  for (j : confirmed[me] + 1 .. confirmed[me] + published[me]) {
    givenUp[message(me, j)] = givenUp[message(me, j)] + underWay[message(me, j)];
    underWay[message(me, j)] = false;
    pubAck[message(me, j)] = 0;
    rejected[message(me, j)] = false
  }
  j = 0;
  published[me] = 0
}

active [LIVES] proctype life() {
  byte me = _pid;
  byte k;
end:
  do
  /* Rule 8: a candidacy. Lives are alike, so they begin in order. */
  :: atomic {
      phase[me] == UNBORN && (me == 0 || phase[me - 1] != UNBORN);
      if
      :: me >= HOSTS -> phase[me - HOSTS] = STOPPED
      :: else
      fi;
      d_step {
        highestBefore = 0;
        for (i : 1 .. lastSlot) {
          if
          :: messageOf(i) == 0 && epoch[publisherOf(i)] > highestBefore -> highestBefore = epoch[publisherOf(i)]
          :: else
          fi
        }
        i = 0
      }
      select(k : 1 .. highestBefore + 1);
      epoch[me] = k;
      k = 0;
#if defined(BREAK_LEASE_TRUSTED) || defined(BREAK_READ_BEFORE_RECORD)
      d_step {
        read(lastSlot);
        base[me] = chainLength;
        baseBlock[me] = chain[chainLength]
      }
#endif
#ifdef BREAK_LEASE_TRUSTED
      known[me] = lastSlot;
      phase[me] = LEADING
#else
      recordSent[me] = true;
      phase[me] = CANDIDATE
#endif
#ifdef BREAK_RECORD_CONDITIONAL
      ; seen[me] = lastSlot
#endif
    }
  /* It reads the log up to its record, and leads if that counts. */
  :: d_step {
      phase[me] == CANDIDATE && recordSlot[me] != 0;
      read(recordSlot[me]);
      if
#ifdef BREAK_SAME_EPOCH_LEADS
      :: inForce == epoch[me] && journal[me % HOSTS] <= chainLength ->
#else
      :: inForce == epoch[me] && inForceLife == me && journal[me % HOSTS] <= chainLength ->
#endif
        phase[me] = LEADING;
        known[me] = recordSlot[me];
#ifndef BREAK_READ_BEFORE_RECORD
        base[me] = chainLength;
        baseBlock[me] = chain[chainLength];
#endif
        /* Property 1: it has what primaries before it acknowledged. */
        for (j : 1 .. BLOCKS) {
          assert(acked[j] == 0 || epoch[(acked[j] - 1) / (LIFE_BLOCKS + 1)] > epoch[me] ||
            (j <= base[me] && chain[j] == acked[j]))
        }
        j = 0;
        journal[me % HOSTS] = chainLength
      :: else ->
        /* Its journal is longer only if it followed a later primary. */
        read(lastSlot);
        assert(inForceLife != me);
        phase[me] = RETIRED
      fi
    }
  /* Rule 10: whoever does not lead follows. */
  :: d_step {
      (phase[me] == CANDIDATE || phase[me] == RETIRED || phase[me] == FENCED) && journal[me % HOSTS] < chainInLog;
      journal[me % HOSTS] = chainInLog
    }
  :: d_step {
      phase[me] == LEADING && published[me] < IN_FLIGHT && confirmed[me] + published[me] < LIFE_BLOCKS;
      published[me]++;
      underWay[message(me, confirmed[me] + published[me])] = true
#ifdef BREAK_JOURNAL_FIRST
      ; journal[me % HOSTS] = base[me] + confirmed[me] + published[me]
#endif
    }
  /* Rule 9: a block counts when its slot is known, and what is in all before it from the record on. */
  :: d_step {
#ifdef BREAK_OUT_OF_ORDER
      phase[me] == LEADING && published[me] > 0 && pubAck[message(me, confirmed[me] + published[me])] != 0;
      k = confirmed[me] + published[me];
#else
      phase[me] == LEADING && published[me] > 0 && pubAck[message(me, confirmed[me] + 1)] != 0;
      k = confirmed[me] + 1;
#endif
      if
#ifndef BREAK_SLOT_NOT_CHECKED
      :: pubAck[message(me, k)] != slotOf(me, k) -> settle()
#endif
      :: else ->
        confirm(k);
        published[me] = published[me] - (k - confirmed[me]);
        known[me] = known[me] + (k - confirmed[me]);
        confirmed[me] = k
      fi;
      k = 0
    }
  :: d_step {
      phase[me] == LEADING && published[me] > 0 && rejected[message(me, confirmed[me] + 1)];
      settle()
    }
  /* No answer came. */
  :: d_step {
      phase[me] == LEADING && published[me] > 0 && repeats < REPEATS;
#ifdef BREAK_UNKNOWN_IS_STORED
      repeats++;
      published[me]--;
      known[me]++;
      confirmed[me]++;
      confirm(confirmed[me])
#else
      settle()
#endif
    }
  /* It reads to the end of the log: what is in the chain counts, the rest is published again, unless it was passed. */
  :: d_step {
      phase[me] == SETTLING;
      read(lastSlot);
      for (k : confirmed[me] + 1 .. LIFE_BLOCKS) {
        if
        :: base[me] + k <= chainLength && chain[base[me] + k] == content(me, k) ->
          confirmed[me]++;
          confirm(k)
        :: else
        fi
      }
      k = 0;
      known[me] = lastSlot;
      if
#ifndef BREAK_FENCE_OVERLOOKED
      :: inForceLife != me -> phase[me] = FENCED
#endif
      :: else -> phase[me] = LEADING
      fi
    }
  od
}

/* The log, and the way to it. */
active [LIVES] proctype records() {
  byte me = _pid - LIVES;
end:
  d_step {
    recordSent[me];
    recordSent[me] = false;
#ifdef BREAK_RECORD_CONDITIONAL
    /* Property 6: a candidate is not kept out by a primary that goes on publishing. */
    assert(lastSlot == seen[me]);
#endif
    store(content(me, 0));
    recordSlot[me] = lastSlot
  }
}

active [MESSAGES] proctype publishes() {
  byte me = _pid - 2 * LIVES;
  byte publisher = me / LIFE_BLOCKS;
  byte which = me % LIFE_BLOCKS + 1;
end:
  do
  :: d_step {
      underWay[me] && (!LOG_CHECKS || lastSlot + 1 == slotOf(publisher, which));
      underWay[me] = false;
      store(content(publisher, which));
      pubAck[me] = lastSlot
    }
  :: d_step {
      underWay[me] && lastSlot + 1 != slotOf(publisher, which);
      underWay[me] = false;
      rejected[me] = true
    }
  /* Those that were given up were meant for the slots right behind the record. */
  :: d_step {
      givenUp[me] > 0 && (!LOG_CHECKS || lastSlot + 1 == recordSlot[publisher] + which);
      givenUp[me]--;
      store(content(publisher, which))
    }
  :: d_step {
      givenUp[me] > 0 && lastSlot + 1 != recordSlot[publisher] + which;
      givenUp[me]--
    }
  od
}

/*
 * Property 6: when nothing is under way any more, the primary in force has served, unless it was stopped. What makes it
 * publish anew is an answer that did not come, or a publish that was given up and took a slot; of those there is an end.
 */
active proctype finale() {
end:
  d_step {
    timeout;
    read(lastSlot);
    assert(inForce == 0 || phase[inForceLife] == STOPPED || confirmed[inForceLife] == LIFE_BLOCKS)
  }
}
