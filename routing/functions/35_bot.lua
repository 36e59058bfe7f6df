-- A conversation with a program: state `bot`, owned by an agent who is one. It is in no queue and weighs nothing; the citizen begins
-- to wait for a person when it is handed over. The rule to know: nothing the program wrote is handed to a provider after that. What
-- it wrote is known by conv.bw while it has the conversation, and afterwards, of what was claimed then, by conv.bx.
--   T:conv:<id>          bw      entries of the program, "4,6,7", since nothing of the conversation waited last; ho when it was handed over
--                        bx      those of it that were with the provider's sender at that moment: should they come back, they go no further

-- It is there, and takes conversations. Not for ever: a citizen is never trapped in one.
function bots.is_there(T, agent)
  local r = call('HMGET', T .. ':agent:' .. agent, 'avail', 'ses', 'bot')
  return r[1] == 'ready' and tonumber(r[2] or 0) > 0 and r[3] == '1'
end

-- A new conversation is its own from the start.
function bots.open(T, now, conv, bot, queue, eff, sticky, window, entry)
  local ck = T .. ':conv:' .. conv
  call('HSET', ck, 'wt', '0', 'given', clock)
  if sticky ~= '' then call('HSET', ck, 'stk', sticky) end
  local load = int(hold(T, bot, conv, '0'))
  tell(T, now, bot, 'g', conv, '1', 'bot', '')
  tell(T, now, bot, 'm', conv, '1', 'i', window, entry)
  transition(T, now, 'bot', conv, '1', bot, queue, {'l', load, 'w', '0', 'e', eff})
end

-- It wrote entry n. `waiting`: something of the conversation is in flight or waits for its turn.
function bots.wrote(T, conv, n, waiting)
  local ck = T .. ':conv:' .. conv
  local before = waiting and call('HGET', ck, 'bw') or nil
  call('HSET', ck, 'bw', before and (before .. ',' .. n) or n)
end

-- An entry that is not to be sent any more, whoever has its conversation now.
local function unsent(T, now, account, conv, n, told)
  advance(T, conv, n, 'f')
  call('HSET', T .. ':pid:' .. conv, 'f' .. n, 'handed_over')
  if told ~= '' then tell(T, now, told, 'r', conv, n, 'f', 'handed_over') end
  land(T, account, conv, n)
end

-- It leaves the program: what that wrote and nobody has claimed fails. Whatever is already with the provider's sender may finish.
function bots.silence(T, now, conv, c)
  local ck = T .. ':conv:' .. conv
  local wrote, flying = call('HGET', ck, 'bw'), ''
  call('HSET', ck, 'ho', clock)
  if not wrote then return end
  call('HDEL', ck, 'bw')
  -- From the last to the first: no turn passes to one that is to fail.
  local each = {}
  for n in string.gmatch(wrote, '%d+') do table.insert(each, 1, n) end
  for _, n in ipairs(each) do
    local byte = byte_of(T, conv, n)
    if byte == 'q' or byte == 'c' then
      if byte == 'c' and call('HEXISTS', T .. ':fly:' .. c.acct, conv .. '.' .. n) == 1 then
        flying = n .. ',' .. flying
      else
        unsent(T, now, c.acct, conv, n, c.own)
      end
    end
  end
  if flying ~= '' then call('HSET', ck, 'bx', flying) end
end

-- Claimed before the handover, it was not sent and would wait to be claimed again. True: it fails instead.
function bots.is_too_late(T, now, account, conv, n)
  local late = call('HGET', T .. ':conv:' .. conv, 'bx')
  if not late or not string.find(',' .. late, ',' .. n .. ',', 1, true) or byte_of(T, conv, n) ~= 'c' then return false end
  unsent(T, now, account, conv, n, call('HGET', T .. ':conv:' .. conv, 'own') or '')
  return true
end

-- To a queue that is closed: it waits for that to open, with the place it had when it came.
function bots.leave_until(T, now, conv, c, opens)
  local gen = int(tonumber(c.gen) + 1)
  bots.silence(T, now, conv, c)
  let_go(T, c.own, conv, tonumber(c.wt))
  tell(T, now, c.own, 'x', conv, gen, 'after_hours', 'transferred')
  call('HSET', T .. ':conv:' .. conv, 'state', 'after_hours', 'gen', gen, 'own', '', 'wt', c.base)
  call('ZADD', T .. ':nb:' .. c.q, opens, conv)
  call('ZADD', T .. ':dl', opens, 'open|' .. conv .. '|' .. gen)
  transition(T, now, 'after_hours', conv, gen, c.own, c.q, {'e', c.eff, 'w', c.base, 'nb', opens, 'x', 'transferred'})
  return tonumber(gen)
end
