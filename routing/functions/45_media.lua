-- Media of inbound messages: fetched in the background by the owner of the account before the provider forgets them.
--   T:media:<acct>  zset  conv.n by when it may be handed out; T:pid:<conv> m<n> says how it ended
-- The owner counts tries and gives up; what he was handed is handed out again only if he died.

-- media_due(now, account, shard, lease epoch, most) -> lost | ok, then conv, n, entry for each
local function media_due(keys, a)
  local T, now = keys[1], now_of(a[1])
  local account, waiting, out = a[2], T .. ':media:' .. a[2], {'ok'}
  if not owns(T, 'acct:' .. account, a[3], a[4], now) then return {'lost'} end
  for _, item in ipairs(call('ZRANGEBYSCORE', waiting, '-inf', clock, 'LIMIT', 0, tonumber(a[5]))) do
    local conv, n = string.match(item, '^(.+)%.(%d+)$')
    local entry = call('LINDEX', T .. ':log:' .. conv, tonumber(n) - 1)
    if entry then
      call('ZADD', waiting, now + 900000, item)
      local at = #out
      out[at + 1], out[at + 2], out[at + 3] = conv, tonumber(n), entry
    else
      call('ZREM', waiting, item)
    end
  end
  return out
end

-- media_done(now, account, conv, n, sha256, size, failed) -> ok. The desk hears the message again, now with its media.
local function media_done(keys, a)
  local T, now = keys[1], now_of(a[1])
  local conv, n = a[3], a[4]
  call('ZREM', T .. ':media:' .. a[2], conv .. '.' .. n)
  if call('EXISTS', T .. ':conv:' .. conv) == 0 then return {'ok'} end -- archived meanwhile
  call('HSET', T .. ':pid:' .. conv, 'm' .. n, a[7] ~= '' and ('media_failed:' .. a[7]) or ('media:' .. a[5] .. '|' .. a[6]))
  local r = call('HMGET', T .. ':conv:' .. conv, 'own', 'win')
  if r[1] and r[1] ~= '' then tell(T, now, r[1], 'm', conv, n, 'i', r[2] or '0') end
  return {'ok'}
end

redis.register_function('media_due_' .. VERSION, media_due)
redis.register_function{function_name = 'media_done_' .. VERSION, callback = media_done, flags = {'allow-oom'}}
