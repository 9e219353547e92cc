"""Lua scripts that Redis runs: each changes all keys of an item at once, or none."""

from __future__ import annotations

# Transitions of incidents, each once; marked when all else is done, for a failure in between to be tried again. One
# that is read from Kafka again comes after newer ones of its incident: it changes neither last alert nor open sets.
# The first write is one that Redis refuses when its memory is full: past that, a script may write what it likes.
# An incident that is open does not expire, however long it lasts; its feedback likewise.
# KEYS stream, then for each: marker, alert, the open set that it belongs to, that which it may have been in before,
# feedback. ARGV ttl, cap, then for each: id, state, start, end, json, kind, suppressed (0 or 1).
ALERTS = """
for n = 0, (#KEYS - 1) / 5 - 1 do
  local marker, alert, now, before, feedback = unpack(KEYS, 5 * n + 2, 5 * n + 6)
  local id, state, start, last, json, kind, suppressed = unpack(ARGV, 7 * n + 3, 7 * n + 9)
  if redis.call('EXISTS', marker) == 0 then
    local known, newer = redis.call('GET', alert), false
    if known then
      known = cjson.decode(known)
      newer = state ~= 'closed' and (known['state'] == 'closed' or known['end'] > tonumber(last))
    end
    if not newer then
      if state == 'closed' then
        redis.call('SET', alert, json, 'EX', ARGV[1])
        redis.call('ZREM', now, id)
        redis.call('ZREM', before, id)
        redis.call('EXPIRE', feedback, ARGV[1])
      else
        redis.call('SET', alert, json)
        redis.call('ZREM', before, id)
        redis.call('ZADD', now, start, id)
        redis.call('PERSIST', feedback)
      end
    end
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'id', id, 'state', state, 'alert', json,
      'kind', kind, 'suppressed', suppressed)
    redis.call('SET', marker, '1', 'EX', ARGV[1])
  end
end
"""

# The newest feedback of one kind on an incident; kept for as long as the incident is open, and ttl longer.
# KEYS feedback, open sets. ARGV id, ttl, field, json (empty: it is taken back).
FEEDBACK = """
if ARGV[4] == '' then redis.call('HDEL', KEYS[1], ARGV[3]) else redis.call('HSET', KEYS[1], ARGV[3], ARGV[4]) end
for n = 2, #KEYS do
  if redis.call('ZSCORE', KEYS[n], ARGV[1]) then return redis.call('PERSIST', KEYS[1]) end
end
return redis.call('EXPIRE', KEYS[1], ARGV[2])
"""
