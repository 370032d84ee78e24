"""What Valkey does in one step for submission: scripts in Lua.

Numbers of time come as text and are stored as it: Lua would round them. The keys that hold the
rows of failures are made up within the scripts, which Valkey's cluster mode does not allow.
"""

from __future__ import annotations

_MOVED = """
local function sum(rows)
  local recipients = 0
  for _, row in ipairs(rows) do
    recipients = recipients + tonumber(string.match(row, ':(%d+)$'))
  end
  return recipients
end

-- Totals of the window that begins at a boundary: rows between it and the old one leave, or return.
local function moved(rows, sender, boundary)
  local stored = redis.call('HMGET', sender, 'recipients', 'messages', 'boundary', 'last')
  if not stored[1] then return 0, 0, boundary end
  local recipients, messages = tonumber(stored[1]), tonumber(stored[2])
  local old, new = tonumber(stored[3]), tonumber(boundary)
  if new > old then
    local gone = redis.call('ZRANGEBYSCORE', rows, '(' .. stored[3], boundary)
    recipients, messages = recipients - sum(gone), messages - #gone
  elseif new < old then
    local back = redis.call('ZRANGEBYSCORE', rows, '(' .. boundary, stored[3])
    recipients, messages = recipients + sum(back), messages + #back
  end
  return recipients, messages, stored[4]
end
"""

RESERVE = (
    _MOVED
    + """
local rows, sender, senders, top, locks, untold = unpack(KEYS)
local user, wanted, limit, now, boundary, kept, token = unpack(ARGV)
local lock = redis.call('HGET', locks, user)
if lock then return {'lock', lock} end
local recipients, messages, last = moved(rows, sender, boundary)
local row = token .. ':' .. wanted
-- The same again, as its answer was lost on the way: it is counted.
if redis.call('ZSCORE', rows, row) then return {'counted', recipients} end
local total = recipients + tonumber(wanted)
if limit ~= '' and total > tonumber(limit) then
  lock = cjson.encode({user=user, reason='daily-limit', since=now, used=recipients,
    wanted=tonumber(wanted), limit=tonumber(limit), words=''})
  redis.call('HSET', locks, user, lock)
  redis.call('HSET', untold, now .. ' ' .. user, lock)
  return {'lock', lock}
end
if not (tonumber(last) > tonumber(now)) then last = now end
-- First what a server without memory refuses: then nothing is done.
redis.call('ZADD', rows, last, row)
redis.call('ZREMRANGEBYSCORE', rows, '-inf', kept)
redis.call('HSET', sender, 'recipients', total, 'messages', messages + 1,
  'boundary', boundary, 'last', last)
redis.call('ZADD', senders, last, user)
redis.call('ZADD', top, total, user)
return {'counted', total}
"""
)
"""Keys: rows, sender, senders, top, locks, untold. Returns ('lock', JSON) or ('counted', total)."""

RELEASE = """
local rows, sender, top = unpack(KEYS)
local user, row, recipients = unpack(ARGV)
local at = redis.call('ZSCORE', rows, row)
if not at then return 0 end
redis.call('ZREM', rows, row)
if tonumber(at) > tonumber(redis.call('HGET', sender, 'boundary')) then
  redis.call('HINCRBY', sender, 'recipients', -tonumber(recipients))
  redis.call('HINCRBY', sender, 'messages', -1)
  redis.call('ZINCRBY', top, -tonumber(recipients), user)
end
return 1
"""

USAGE = (
    _MOVED
    + """
local recipients, messages = moved(KEYS[1], KEYS[2], ARGV[1])
return {recipients, messages}
"""
)
"""Keys: rows, sender. Argument: the boundary. Writes nothing."""

STANDING = (
    _MOVED
    + """
local rows, sender, locks, unlocks = unpack(KEYS)
local user, boundary = unpack(ARGV)
local recipients = moved(rows, sender, boundary)
local lock, unlocked = redis.call('HGET', locks, user), redis.call('ZSCORE', unlocks, user)
return {lock or '', recipients, unlocked or '0'}
"""
)
"""Keys: rows, sender, locks, unlocks. Returns (JSON or '', recipients, time). Writes nothing."""

LOCK = """
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[2], ARGV[3], ARGV[2]) end
return 1
"""

UNLOCK = """
local locks, rows, sender, senders, top, unlocks = unpack(KEYS)
local user, forget, now = unpack(ARGV)
-- First what a server without memory refuses: then nothing is done.
local is_locked = redis.call('HEXISTS', locks, user)
if is_locked == 1 then redis.call('ZADD', unlocks, now, user) end
if forget == '1' then
  redis.call('DEL', rows, sender)
  redis.call('ZREM', senders, user)
  redis.call('ZREM', top, user)
end
return redis.call('HDEL', locks, user)
"""

SWEEP_SENDER = """
local rows, sender, senders, top = unpack(KEYS)
local last = redis.call('ZSCORE', senders, ARGV[1])
if not last or tonumber(last) > tonumber(ARGV[2]) then return 0 end
local swept = redis.call('ZCARD', rows) + 1
redis.call('DEL', rows, sender)
redis.call('ZREM', senders, ARGV[1])
redis.call('ZREM', top, ARGV[1])
return swept
"""

_FAILURES = """
local prefix = KEYS[1]
local all, details, networks = prefix, prefix .. ':rows', prefix .. ':networks'
local function places(failure)
  local network = prefix .. ':network:' .. failure.network
  if not failure.is_counted then return {network .. ' uncounted', prefix .. ':uncounted'} end
  return {network, prefix .. ':user:' .. failure.user,
    prefix .. ':there:' .. failure.network .. ' ' .. failure.user}
end
local function remove(id)
  local failure = cjson.decode(redis.call('HGET', details, id))
  for _, place in ipairs(places(failure)) do redis.call('ZREM', place, id) end
  redis.call('ZREM', all, id)
  redis.call('HDEL', details, id)
  if tonumber(redis.call('ZINCRBY', networks, -1, failure.network)) <= 0 then
    redis.call('ZREM', networks, failure.network)
  end
end
"""

ADD_FAILURE = (
    _FAILURES
    + """
local id, at, row, most, share = unpack(ARGV)
if redis.call('HSETNX', details, id, row) == 0 then return 0 end
local failure = cjson.decode(row)
redis.call('ZADD', all, at, id)
redis.call('ZINCRBY', networks, 1, failure.network)
for _, place in ipairs(places(failure)) do redis.call('ZADD', place, at, id) end
while redis.call('ZCARD', all) > tonumber(most) do
  local network, rows = unpack(redis.call('ZREVRANGE', networks, 0, 0, 'WITHSCORES'))
  local counted, uncounted = all, prefix .. ':uncounted'
  if tonumber(rows) * tonumber(share) > tonumber(most) then
    counted = prefix .. ':network:' .. network
    uncounted = counted .. ' uncounted'
  end
  remove(redis.call('ZRANGE', uncounted, 0, 0)[1] or redis.call('ZRANGE', counted, 0, 0)[1])
end
return 1
"""
)
"""Key: the prefix of failures. When there are too many, one goes: see sign_ins.add_failure."""

PARDON_FAILURES = (
    _FAILURES
    + """
local ids = redis.call('ZRANGE', prefix .. ':user:' .. ARGV[1], 0, -1)
for _, id in ipairs(ids) do
  local failure = cjson.decode(redis.call('HGET', details, id))
  for _, place in ipairs(places(failure)) do redis.call('ZREM', place, id) end
  failure.is_counted = false
  redis.call('HSET', details, id, cjson.encode(failure))
  local at = redis.call('ZSCORE', all, id)
  for _, place in ipairs(places(failure)) do redis.call('ZADD', place, at, id) end
end
return #ids
"""
)
"""Key: the prefix of failures. Argument: the account whose failures count no more."""

SWEEP_FAILURES = (
    _FAILURES
    + """
local gone = redis.call('ZRANGEBYSCORE', all, '-inf', ARGV[1], 'LIMIT', 0, 500)
for _, id in ipairs(gone) do remove(id) end
return #gone
"""
)

KNOW = """
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[2], 'GT', ARGV[2], ARGV[1])
local old = redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[4])
return old + redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -tonumber(ARGV[5]) - 1)
"""
"""Keys: an account's networks, all accounts. Arguments: user, now, network, before, most."""

SWEEP_KNOWN = """
local last = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not last then return 0 end
local swept = redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])
if tonumber(last) <= tonumber(ARGV[2]) then redis.call('ZREM', KEYS[2], ARGV[1]) end
return swept
"""
