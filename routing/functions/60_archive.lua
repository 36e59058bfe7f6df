-- An end to memory: what is over is written to the archive by its owner, and only then deleted here.
--   T:closed             zset    conversations that are closed, and logs of sends, by when the archive is to look at them
-- Contacts and addresses stay: they are small, and a citizen who comes back is to be known.

-- archive_due(before ms, at most) -> conv, gen, closed ms, accepted ms for each, the longest closed first
local function archive_due(keys, a)
  local T, out = keys[1], {}
  for _, conv in ipairs(call('ZRANGEBYSCORE', T .. ':closed', '-inf', a[1], 'LIMIT', 0, a[2])) do
    local r = call('HMGET', T .. ':conv:' .. conv, 'gen', 'closed', 'accepted')
    local at = #out
    out[at + 1], out[at + 2], out[at + 3], out[at + 4] = conv, r[1] or '0', r[2] or '0', r[3] or '0'
  end
  return out
end

-- archive_later(at ms, conv ...) -> ok. They are not over yet: look at them then.
local function archive_later(keys, a)
  for i = 2, #a do call('ZADD', keys[1] .. ':closed', 'XX', a[1], a[i]) end
  return {'ok'}
end

-- archive_done(conv, gen, states, facts) -> ok | missing | stale gen state owner. It stands in the archive, on disk, as it was with
-- these states (a byte an entry) and so many facts (fields of pid): if it is still so, and all of it is final, it is deleted.
-- Missing: it was deleted before; the caller has nothing to do.
-- Deletes: conv, log, st, pid, hold, its place in closed, and what of its address and its contact points to it.
local function archive_done(keys, a)
  local T, conv = keys[1], a[1]
  local r = call('HMGET', T .. ':conv:' .. conv, 'state', 'gen', 'own', 'contact', 'acct', 'addr', 'slot')
  if not r[1] then
    call('ZREM', T .. ':closed', conv)
    return {'missing'}
  end
  local bytes, n = call('GET', T .. ':st:' .. conv) or '', call('LLEN', T .. ':log:' .. conv)
  local states = string.gsub(bytes, '%z', 'i') .. string.rep('i', n - #bytes)
  if (r[1] ~= 'closed' and r[1] ~= 'sends') or r[2] ~= a[2] or states ~= a[3] or string.find(states, '[qcsu]')
    or call('HLEN', T .. ':pid:' .. conv) ~= tonumber(a[4]) then
    return stale(r[2], r[1], r[3])
  end
  call('UNLINK', T .. ':conv:' .. conv, T .. ':log:' .. conv, T .. ':st:' .. conv, T .. ':pid:' .. conv, T .. ':hold:' .. conv)
  call('ZREM', T .. ':closed', conv)
  if r[7] then
    if string.match(call('HGET', T .. ':sends', r[7]) or '', '^%d+') == conv then call('HDEL', T .. ':sends', r[7]) end
    return {'ok'}
  end
  local addr, contact = T .. ':addr:' .. r[6], T .. ':contact:' .. r[4]
  if call('HGET', addr, 'v:' .. r[5]) == conv then call('HDEL', addr, 'v:' .. r[5]) end
  if call('HGET', contact, 'v:' .. r[5]) == conv then call('HDEL', contact, 'v:' .. r[5]) end
  return {'ok'}
end

redis.register_function{function_name = 'archive_due_' .. VERSION, callback = archive_due, flags = {'no-writes'}}
redis.register_function{function_name = 'archive_later_' .. VERSION, callback = archive_later, flags = {'allow-oom'}}
redis.register_function{function_name = 'archive_done_' .. VERSION, callback = archive_done, flags = {'allow-oom'}}
