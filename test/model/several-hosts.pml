/*
 * Several hosts, one replicated log: candidates, primaries and readers, as docs/protocol.md tells them.
 *
 * Of the log this trusts only that it is one sequence of slots that nothing is taken out of, and that a PubAck names the
 * slot. A publish may be stored at any later time, long after its publisher ended; PubAcks may come late or never, in any
 * order; and the log may store a publish whose expected last sequence is not the last one (LOG_CHECKS 0), as if it had no
 * such check. A life is one run of a process: a candidacy and what comes of it. It may stop at any step and for any
 * time; a later life of its host begins with its journal and nothing else.
 *
 * Bounds: LIVES lives, the last of them on the first host again; each publishes up to LIFE_BLOCKS blocks, IN_FLIGHT of them at a time, and
 * asks again for REPEATS of them. A candidate may have read any beginning of the log when it chooses its epoch.
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
#define SLOTS (LIVES * (1 + LIFE_BLOCKS + REPEATS))

/* What is in a slot: the life, and which of its messages; 0 is its epoch record. Slots are counted from 1. */
#define content(who, which) (1 + (who) * (LIFE_BLOCKS + 1) + (which))
#define publisherOf(slot) ((log[slot] - 1) / (LIFE_BLOCKS + 1))
#define messageOf(slot) ((log[slot] - 1) % (LIFE_BLOCKS + 1))
byte log[SLOTS + 1];
byte lastSlot;

#define UNBORN 0
#define CANDIDATE 1
#define LEADING 2
#define FENCED 3
#define RETIRED 4
#define STOPPED 5
byte phase[LIVES];
byte epoch[LIVES]; /* of the record and the envelopes of a life */
bool recordSent[LIVES];
byte recordSlot[LIVES];
#ifdef BREAK_RECORD_CONDITIONAL
byte seen[LIVES]; /* the last slot when the record was sent */
#endif
byte base[LIVES]; /* number of the block that the life continues from */
byte baseBlock[LIVES]; /* that block */
byte sent[LIVES], confirmed[LIVES], repeated[LIVES];

/* Of each block of each life: copies under way to the log, the slot in a PubAck under way, a rejection under way. */
byte copies[MESSAGES], pubAck[MESSAGES];
bool rejected[MESSAGES];

byte chainInLog; /* blocks that a reader of all of it accepts */
byte journal[HOSTS]; /* blocks */
byte acked[BLOCKS + 1]; /* what clients were told of, by number */
byte acknowledging[LIVES + 1]; /* under an epoch */

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
  who = 0
}

/* Property 1: every reader has what was acknowledged, in its place. */
inline checkAcknowledged() {
  for (j : 1 .. BLOCKS) {
    assert(acked[j] == 0 || (j <= chainLength && chain[j] == acked[j]))
  }
  j = 0
}

/* Property 5: what a primary builds on is all there is before its own blocks, as long as its epoch is in force. */
inline checkFenced() {
  if
  :: inForce > 0 && phase[inForceLife] == LEADING ->
    for (j : base[inForceLife] + 1 .. chainLength) {
      assert(chain[j] == content(inForceLife, j - base[inForceLife]))
    }
    assert(chainLength >= base[inForceLife]);
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

/* A block of this life is stored where it belongs: into the journal, then to the clients. */
inline confirm(which) {
  read(lastSlot);
  /* Property 3: a journal is a beginning of the chain. */
  j = base[me] + which;
  assert(j <= chainLength && chain[j] == content(me, which));
  journal[me % HOSTS] = j;
  acked[j] = content(me, which);
  checkAcknowledged();
  /* Later primaries have it, too. */
  for (j : 0 .. LIVES - 1) {
    assert(phase[j] != LEADING || epoch[j] <= epoch[me] || base[j] >= base[me] + which)
  }
  /* Property 4: one primary acknowledges under an epoch. */
  assert(acknowledging[epoch[me]] == 0 || acknowledging[epoch[me]] == me + 1);
  acknowledging[epoch[me]] = me + 1;
  j = 0
}

/* Any other answer, or none: the slot itself tells. */
inline lookUp() {
  if
  :: recordSlot[me] + k > lastSlot -> copies[message(me, k)]++
#ifndef BREAK_TAKEN_SLOT_IS_OURS
  :: recordSlot[me] + k <= lastSlot && log[recordSlot[me] + k] != content(me, k) -> phase[me] = FENCED
#endif
  :: else ->
    confirmed[me] = k;
    confirm(k)
  fi
}

active [LIVES] proctype life() {
  byte me = _pid;
  byte k;
end:
  do
  /* Rule 5: a candidacy. */
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
      recordSlot[me] = lastSlot;
      phase[me] = LEADING
#else
      recordSent[me] = true;
      phase[me] = CANDIDATE
#endif
#ifdef BREAK_RECORD_CONDITIONAL
      ; seen[me] = lastSlot
#endif
    }
  /* Its record's PubAck: it reads the log up to there, and leads if it is the first with its epoch and no higher one was. */
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
#ifndef BREAK_READ_BEFORE_RECORD
        base[me] = chainLength;
        baseBlock[me] = chain[chainLength];
#endif
        /* Property 1: it has what primaries before it acknowledged. */
        for (j : 1 .. BLOCKS) {
          assert(acked[j] == 0 || epoch[(acked[j] - 1) / (LIFE_BLOCKS + 1)] > epoch[me] || (j <= base[me] && chain[j] == acked[j]))
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
  /* Rule 8: whoever does not lead follows. */
  :: d_step {
      (phase[me] == CANDIDATE || phase[me] == RETIRED || phase[me] == FENCED) && journal[me % HOSTS] < chainInLog;
      journal[me % HOSTS] = chainInLog
    }
  :: d_step {
      phase[me] == LEADING && sent[me] < LIFE_BLOCKS && sent[me] - confirmed[me] < IN_FLIGHT;
      sent[me]++;
      copies[message(me, sent[me])] = 1
#ifdef BREAK_JOURNAL_FIRST
      ; journal[me % HOSTS] = base[me] + sent[me]
#endif
    }
  /* Rule 6: blocks are confirmed in order, each by the PubAck of the one slot where it belongs. */
  :: d_step {
#ifdef BREAK_OUT_OF_ORDER
      phase[me] == LEADING && confirmed[me] < sent[me] && pubAck[message(me, sent[me])] != 0;
      k = sent[me];
#else
      phase[me] == LEADING && confirmed[me] < sent[me] && pubAck[message(me, confirmed[me] + 1)] != 0;
      k = confirmed[me] + 1;
#endif
      if
#ifndef BREAK_SLOT_NOT_CHECKED
      :: pubAck[message(me, k)] != recordSlot[me] + k ->
        pubAck[message(me, k)] = 0;
        lookUp()
#endif
      :: else ->
        confirmed[me] = k;
        confirm(k)
      fi;
      k = 0
    }
  :: d_step {
      phase[me] == LEADING && confirmed[me] < sent[me] && rejected[message(me, confirmed[me] + 1)];
      k = confirmed[me] + 1;
      rejected[message(me, k)] = false;
      lookUp();
      k = 0
    }
  /* No answer came. */
  :: d_step {
      phase[me] == LEADING && confirmed[me] < sent[me] && repeated[me] < REPEATS;
      k = confirmed[me] + 1;
      repeated[me]++;
      lookUp();
      k = 0
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
    /* Property 6: a candidate is not kept out by a primary that goes on publishing. */
#ifdef BREAK_RECORD_CONDITIONAL
    assert(lastSlot == seen[me]);
#endif
    store(content(me, 0));
    recordSlot[me] = lastSlot
  }
}

active [MESSAGES] proctype publishes() {
  byte me = _pid - 2 * LIVES;
end:
  do
  :: atomic {
      copies[me] > 0;
      copies[me]--;
      if
      :: LOG_CHECKS == 0 || lastSlot == recordSlot[me / LIFE_BLOCKS] + me % LIFE_BLOCKS ->
        d_step { store(content(me / LIFE_BLOCKS, me % LIFE_BLOCKS + 1)) }
        if
        :: pubAck[me] = lastSlot
        :: pubAck[me] != 0
        fi
      :: lastSlot != recordSlot[me / LIFE_BLOCKS] + me % LIFE_BLOCKS -> rejected[me] = true
      fi
    }
  od
}

/*
 * Property 7: once nothing is under way any more, the primary in force has served, unless it was stopped or something else is where
 * one of its blocks belongs. As there is a bounded number of such things, one that tries again gets through.
 */
active proctype finale() {
  bool disturbed;
end:
  d_step {
    timeout;
    read(lastSlot);
    i = recordSlot[inForceLife];
    for (j : 1 .. LIFE_BLOCKS) {
      disturbed = disturbed || (i + j <= lastSlot && log[i + j] != content(inForceLife, j))
    }
    j = 0;
    assert(inForce == 0 || phase[inForceLife] == STOPPED || confirmed[inForceLife] == LIFE_BLOCKS || disturbed)
  }
}
