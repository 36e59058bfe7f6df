-- The clocks of a queue's goals (routing/service_level.h). When one is due the matcher's owner works out; here it is told, once.

local MARK = {first_reply = 'sf', next_reply = 'sn', resolve = 'sr'}

-- sla_tell(now, conv, clock, 'predicted' | 'breached', since ms, due ms) -> ok gen | missing | stale gen state owner | refused told
-- Reads conv; writes its mark of this clock and an entry `sla` of the stream. Stale: the clock does not run any more, or has begun
-- anew since. A breach is told after its prediction, never the other way round.
local function sla_tell(keys, a)
  local T, now = keys[1], now_of(a[1])
  local conv, clock_name, level, since = a[2], a[3], a[4], a[5]
  local mark = MARK[clock_name]
  local r = call('HMGET', T .. ':conv:' .. conv, 'state', 'gen', 'own', 'q', 'fr', 'una', 'first', mark, 'ho')
  if not r[1] then return {'missing'} end
  local runs = r[1] ~= 'closed' and r[1] ~= 'sends' and r[1] ~= 'bot'
  local began = r[9] or r[7] -- what a program had waits for a person since the handover
  if clock_name == 'first_reply' then runs = runs and not r[5] and began == since end
  if clock_name == 'next_reply' then runs = runs and r[6] == since and since ~= '0' end
  if clock_name == 'resolve' then runs = runs and began == since end
  if not runs then return stale(r[2], r[1], r[3]) end
  if r[8] == since .. '|breached' or r[8] == since .. '|' .. level then return {'refused', 'told'} end
  call('HSET', T .. ':conv:' .. conv, mark, since .. '|' .. level)
  transition(T, now, 'sla', conv, r[2], r[3] or '', r[4] or '', {'c', clock_name, 'd', a[6], 'x', level})
  return {'ok', tonumber(r[2])}
end

redis.register_function{function_name = 'sla_tell_' .. VERSION, callback = sla_tell, flags = {'allow-oom'}}
