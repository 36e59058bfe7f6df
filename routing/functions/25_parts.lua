-- Long messages whose parts come one by one, in any order: a part is durable before its sender hears yes, and the whole goes into a
-- conversation's log when the last is there, or when its time is over.
--   T:part:<acct>:<set>  hash    of, at, n -> bytes of the part; done once the whole is in a log: then it only knows repeats, for ten minutes
--   T:parts:<acct>       zset    sets that are not done, by when they are delivered with a gap
--   T:parts_of:<acct>    hash    who:whom -> how many of those are his

local MOST_SETS = 10000
local MOST_SETS_OF_ONE = 1000
local REPEATS_MS = 600000

-- Of a set, width:number:total:who:whom: the last two.
local function writer_of(set)
  return string.match(set, '^[^:]*:[^:]*:[^:]*:(.+)$') or set
end

-- at, then n and bytes for each, added to `out`.
local function add_parts(out, all)
  local at = ''
  for i = 1, #all, 2 do
    if all[i] == 'at' then at = all[i + 1] end
  end
  out[#out + 1] = at
  for i = 1, #all, 2 do
    if string.find(all[i], '^%d') then out[#out + 1], out[#out + 2] = all[i], all[i + 1] end
  end
  return out
end

-- part(now, account, set, n, of, bytes, within ms) -> kept | full (the account, or this citizen, has too many unfinished) | whole, at, then n and bytes for each
local function part(keys, a)
  local T, now = keys[1], now_of(a[1])
  local key, due, n = T .. ':part:' .. a[2] .. ':' .. a[3], T .. ':parts:' .. a[2], a[4]
  local r = call('HMGET', key, 'at', 'done', n)
  if r[2] then
    if r[3] == a[6] then return {'kept'} end
    call('DEL', key)  -- the same number was given to another message
    r[1] = false
  end
  if r[1] then
    call('HSET', key, n, a[6])
  else
    local counts, writer = T .. ':parts_of:' .. a[2], writer_of(a[3])
    if call('ZCARD', due) >= MOST_SETS or tonumber(call('HGET', counts, writer) or 0) >= MOST_SETS_OF_ONE then return {'full'} end
    call('HINCRBY', counts, writer, 1)
    call('HSET', key, 'at', clock, 'of', a[5], n, a[6])
    call('ZADD', due, int(now + tonumber(a[7])), a[3])
  end
  if call('HLEN', key) - 2 < tonumber(a[5]) then return {'kept'} end
  return add_parts({'whole'}, call('HGETALL', key))
end

-- part_done(now, account, set) -> ok | missing. The whole is in a log.
local function part_done(keys, a)
  local T = keys[1]
  local key = T .. ':part:' .. a[2] .. ':' .. a[3]
  if call('ZREM', T .. ':parts:' .. a[2], a[3]) == 0 then return {'missing'} end
  local counts, writer = T .. ':parts_of:' .. a[2], writer_of(a[3])
  if call('HINCRBY', counts, writer, -1) <= 0 then call('HDEL', counts, writer) end
  call('HSET', key, 'done', '1')
  call('PEXPIRE', key, REPEATS_MS)
  return {'ok'}
end

-- parts_due(now, account) -> set, of, at, then n and bytes, for each set whose time is over; 16 at most
local function parts_due(keys, a)
  local T, now, out = keys[1], now_of(a[1]), {}
  for i, set in ipairs(call('ZRANGEBYSCORE', T .. ':parts:' .. a[2], '-inf', int(now), 'LIMIT', 0, 16)) do
    local key = T .. ':part:' .. a[2] .. ':' .. set
    out[i] = add_parts({set, call('HGET', key, 'of')}, call('HGETALL', key))
  end
  return out
end

redis.register_function('part_' .. VERSION, part)
redis.register_function{function_name = 'part_done_' .. VERSION, callback = part_done, flags = {'allow-oom'}}
redis.register_function{function_name = 'parts_due_' .. VERSION, callback = parts_due, flags = {'no-writes'}}
