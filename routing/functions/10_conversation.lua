-- The life of a conversation: (bot) -> (after_hours) -> queued -> offered -> active -> (parked) -> wrapup -> closed. Every change of
-- state, and every invitation, is gen + 1.

local bots = {} -- 35_bot.lua: what begins and what ends with a program

-- Whether this agent is ready and has room for so much more; his generation; his queues; his load and his last event, for hand(). A
-- program is given nothing.
local function can_take(T, agent, weight)
  local r = call('HMGET', T .. ':agent:' .. agent, 'avail', 'ses', 'load', 'cap', 'gen', 'queues', 'bot', 'seq')
  local ready = r[1] == 'ready' and tonumber(r[2] or 0) > 0 and r[7] ~= '1'
  return ready and tonumber(r[3] or 0) + weight <= tonumber(r[4] or 0), r[5], r[6] or '', r[3] or 0, r[8] or 0
end

-- The agents that must not be offered this conversation again for a while: "ana:1690000000000,bob:..."
local function excluded(excl, agent, now)
  if not excl or excl == '' then return false end
  for id, till in string.gmatch(excl, '([^:,]+):(%d+)') do
    if id == agent and tonumber(till) > now then return true end
  end
  return false
end

-- What a desk shows of a conversation that comes to it, published with the event: owner|queue|channel|account|contact|first|window|
-- messages|last|previous|octets of the name|name, then its last entry. Whoever hears of it later asks for its card; so does who hears
-- no line, for of some conversations there is more to show.
local function card_line(own, queue, channel, account, contact, first, win, n, last, prev, name, entry)
  return own .. '|' .. queue .. '|' .. channel .. '|' .. account .. '|' .. contact .. '|' .. first .. '|' .. win .. '|' .. n .. '|' .. last ..
    '|' .. prev .. '|' .. #name .. '|' .. name .. entry
end

-- All of an offer but the conversation's own fields; gen is already the new one. `load` and `seq` are what can_take() read of him; card
-- may be absent.
local function hand(T, now, conv, gen, agent, weight, queue, ttl, auto, why, load, seq, card)
  load, seq = int(load + weight), int(seq + 1)
  call('SADD', T .. ':agentc:' .. agent, conv)
  call('HSET', T .. ':agent:' .. agent, 'load', load, 'last', clock, 'seq', seq)
  if auto then
    told(T, agent, seq, 'g', conv, gen, 'active', '', card)
  else
    local till = int(now + ttl)
    call('ZADD', T .. ':dl', till, 'offer|' .. conv .. '|' .. gen)
    told(T, agent, seq, 'o', conv, gen, till, '', card)
  end
  transition(T, now, auto and 'assigned' or 'offered', conv, gen, agent, queue, {'l', load, 'w', weight, 'x', why})
end

local function give(T, now, conv, gen, agent, weight, queue, ttl, auto, why, load, seq, card)
  local state = auto and 'active' or 'offered'
  gen = int(gen + 1)
  call('HSET', T .. ':conv:' .. conv, 'state', state, 'gen', gen, 'own', agent, 'given', clock)
  if not load then
    local r = call('HMGET', T .. ':agent:' .. agent, 'load', 'seq')
    load, seq = r[1], r[2]
  end
  hand(T, now, conv, gen, agent, weight, queue, ttl, auto, why, load, seq, card)
  return tonumber(gen), state
end

-- It waits no longer where it waited.
local function leave_line(T, conv, c)
  if c.state == 'queued' then
    call('ZREM', T .. ':q:' .. c.q, conv)
  elseif c.state == 'after_hours' then
    call('ZREM', T .. ':nb:' .. c.q, conv)
    call('ZREM', T .. ':dl', 'open|' .. conv .. '|' .. c.gen)
  end
end

-- Whom its agent invited need not answer any more.
local function disinvite(T, now, conv, c, gen, why)
  if not c.inv or c.inv == '' then return end
  call('HDEL', T .. ':conv:' .. conv, 'inv', 'invq')
  call('SREM', T .. ':inv:' .. c.inv, conv)
  call('ZREM', T .. ':dl', 'warm|' .. conv .. '|' .. c.gen)
  tell(T, now, c.inv, 'x', conv, gen, c.state, why)
  c.inv = nil
end

-- Back to its queue with the same place: eff never changes. Offers that nobody took are counted: after each third in a row the
-- queue's next step is in force, and supervisors hear of it. `ban` keeps the agent who let it go from being offered it again. From an
-- agent who worked on it, its queue's steps begin anew, and he is asked first unless he passed it on. From a program, who was to be
-- asked first still is.
local function requeue(T, now, conv, c, why, ban, reason)
  local ck = T .. ':conv:' .. conv
  local gen = tonumber(c.gen) + 1
  local load, failed = 0, tonumber(c.nf or 0)
  if c.state == 'bot' then bots.silence(T, now, conv, c) end
  leave_line(T, conv, c)
  disinvite(T, now, conv, c, gen, why)
  if c.own and c.own ~= '' then
    load = let_go(T, c.own, conv, tonumber(c.wt))
    tell(T, now, c.own, 'x', conv, gen, 'queued', why)
  end
  call('ZREM', T .. ':dl', 'offer|' .. conv .. '|' .. c.gen)
  if why == 'declined' or why == 'timeout' then
    failed = failed + 1
    call('HSET', ck, 'nf', failed)
  end
  local excl = c.excl or ''
  if ban and c.own ~= '' and c.state ~= 'bot' then excl = c.own .. ':' .. int(now + 120000) .. ',' .. string.sub(excl, 1, 200) end
  local since, sticky = c.enq or c.first, c.stk or ''
  if c.state == 'bot' then since = clock
  elseif c.state ~= 'offered' then since, sticky = clock, why ~= 'transferred' and why ~= 'directed' and c.own or '' end
  call('HSET', ck, 'state', 'queued', 'gen', gen, 'own', '', 'wt', c.base, 'excl', excl, 'enq', since, 'stk', sticky)
  call('ZADD', T .. ':q:' .. c.q, c.eff, conv)
  transition(T, now, 'requeued', conv, gen, c.own or '', c.q, {'l', load, 'w', c.base, 'e', c.eff, 'n', excl, 's', since, 'y', sticky, 'x', why, 'nf', failed, 'rs', reason or ''})
  return gen
end

-- why '': the code he gave when wrap-up began, else `resolved`.
local function shut(T, now, conv, c, why)
  local ck = T .. ':conv:' .. conv
  local gen = int(c.gen + 1)
  local load, had = 0, false
  if c.state == 'bot' then bots.silence(T, now, conv, c) end
  leave_line(T, conv, c)
  if why == '' and c.state == 'wrapup' then why = call('HGET', ck, 'code') or '' end
  if why == '' then why = 'resolved' end
  disinvite(T, now, conv, c, gen, why)
  if c.own and c.own ~= '' then
    load = let_go(T, c.own, conv, tonumber(c.wt))
    tell(T, now, c.own, 'c', conv, gen, 'closed', why)
    had = c.state ~= 'offered' and c.state ~= 'bot' and why ~= 'spam'
  end
  call('HSET', ck, 'state', 'closed', 'gen', gen, 'wt', '0', 'closed', clock, 'why', why)
  local contact, here = T .. ':contact:' .. c.contact, 'v:' .. c.acct
  local r = call('HMGET', contact, here, 'into')
  if r[1] == conv then call('HDEL', contact, here) end
  if had then  -- the citizen's next conversation asks for him first
    call('HSET', contact, 'la', c.own, 'lat', clock)
    if r[2] then call('HSET', T .. ':contact:' .. root_of(T, r[2]), 'la', c.own, 'lat', clock) end
  end
  call('ZADD', T .. ':closed', now, conv)
  transition(T, now, 'closed', conv, gen, c.own or '', c.q, {'l', int(load), 'x', why})
  return tonumber(gen)
end

local function read(T, conv)
  local r = call('HMGET', T .. ':conv:' .. conv, 'state', 'gen', 'own', 'q', 'wt', 'base', 'eff', 'excl', 'contact', 'acct', 'first', 'enq', 'stk', 'inv', 'nf')
  if not r[1] then return nil end
  return {state = r[1], gen = r[2] or nil, own = r[3] or nil, q = r[4] or nil, wt = r[5] or nil, base = r[6] or nil, eff = r[7] or nil,
    excl = r[8] or nil, contact = r[9] or nil, acct = r[10] or nil, first = r[11] or nil, enq = r[12] or nil, stk = r[13] or nil,
    inv = r[14] or nil, nf = r[15] or nil}
end

-- What an agent's command is about, if all is still as he saw it: this state, or that other one, his own, his generation. Else nil
-- and his answer.
local function as_he_saw_it(T, a, state, other)
  local c = read(T, a[2])
  if not c then return nil, {'missing'} end
  if (c.state ~= state and c.state ~= other) or c.own ~= a[4] or c.gen ~= a[3] then return nil, stale(c.gen, c.state, c.own) end
  return c
end

-- The line of a conversation that comes to this agent, of what offer and accept read of it: r[7] to r[15], and r[16] what is said of it,
-- which the line has no place for.
local function shown(T, conv, agent, queue, r)
  if (r[16] or '') ~= '' then return nil end
  return card_line(agent, queue, r[7], r[8], r[9], r[10], r[11] or '', r[12], r[13] or '', r[14] or '', r[15] or '',
    call('LINDEX', T .. ':log:' .. conv, '-1') or '')
end

-- offer(now, conv, gen, agent, ttl_ms, auto, reasons) -> ok gen state | stale gen state owner | refused why
local function offer(keys, a)
  local T, now = keys[1], now_of(a[1])
  local conv, agent = a[2], a[4]
  -- Only what it needs, and in one call what the desk shows: a field costs a tenth of a small command.
  local r = call('HMGET', T .. ':conv:' .. conv, 'state', 'gen', 'own', 'q', 'wt', 'excl', 'ch', 'acct', 'contact', 'first', 'win', 'n', 'last', 'prev', 'nm', 'at')
  local state, queue, weight = r[1], r[4], r[5]
  if not state then return {'missing'} end
  if state ~= 'queued' or r[2] ~= a[3] then return stale(r[2] or nil, state, r[3] or nil) end
  if excluded(r[6], agent, now) then return {'refused', 'excluded'} end
  local able, _, _, load, seq = can_take(T, agent, tonumber(weight))
  if not able then return {'refused', 'not_ready'} end
  call('ZREM', T .. ':q:' .. queue, conv)
  local gen
  gen, state = give(T, now, conv, a[3], agent, weight, queue, tonumber(a[5]), a[6] == '1', a[7], load, seq, shown(T, conv, agent, queue, r))
  return {'ok', gen, state}
end

-- Who was invited takes it over: only now does it leave the agent who kept it until then.
local function take_over(T, now, conv, c, agent)
  if not can_take(T, agent, tonumber(c.base)) then return {'refused', 'not_ready'} end
  local gen, was = tonumber(c.gen) + 1, c.own
  local queue = call('HGET', T .. ':conv:' .. conv, 'invq')
  if queue then
    c.q = queue
    call('HSET', T .. ':conv:' .. conv, 'q', queue)
  end
  call('HDEL', T .. ':conv:' .. conv, 'inv', 'invq')
  call('SREM', T .. ':inv:' .. agent, conv)
  call('ZREM', T .. ':dl', 'warm|' .. conv .. '|' .. c.gen)
  local left = let_go(T, was, conv, tonumber(c.wt))
  tell(T, now, was, 'x', conv, gen, 'active', 'transferred')
  call('HSET', T .. ':conv:' .. conv, 'gen', gen, 'own', agent, 'given', clock)
  local load = int(hold(T, agent, conv, c.base))
  call('HSET', T .. ':agent:' .. agent, 'last', clock, 'miss', 0)
  tell(T, now, agent, 'g', conv, gen, 'active', '')
  transition(T, now, 'assigned', conv, gen, agent, c.q, {'l', load, 'w', c.base, 'x', 'invited', 'fa', was, 'fl', left})
  return {'ok', gen}
end

-- accept(now, conv, gen, agent, client_id) -> ok gen | stale gen state owner | refused why. A repeat by the same agent hears ok again.
local function accept(keys, a)
  local T, now = keys[1], now_of(a[1])
  local conv, agent = a[2], a[4]
  local ck, ak = T .. ':conv:' .. conv, T .. ':agent:' .. agent
  local r = call('HMGET', ck, 'state', 'gen', 'own', 'q', 'inv', 'nf', 'ch', 'acct', 'contact', 'first', 'win', 'n', 'last', 'prev', 'nm', 'at')
  local state, was, own, queue = r[1], r[2], r[3], r[4]
  if not state then return {'missing'} end
  if state == 'active' and own == agent and tonumber(was) == tonumber(a[3]) + 1 then return {'ok', tonumber(was)} end
  if r[5] == agent and was == a[3] then return take_over(T, now, conv, read(T, conv), agent) end
  if state ~= 'offered' or own ~= agent or was ~= a[3] then return stale(was or nil, state, own or nil) end
  local gen = int(was + 1)
  call('HSET', ck, 'state', 'active', 'gen', gen, 'accepted', clock)
  if r[6] then call('HDEL', ck, 'nf') end
  local he = call('HMGET', ak, 'seq', 'miss')
  local seq = int(he[1] + 1)
  if he[2] == '0' then call('HSET', ak, 'seq', seq) else call('HSET', ak, 'seq', seq, 'miss', '0') end
  call('ZREM', T .. ':dl', 'offer|' .. conv .. '|' .. was)
  told(T, agent, seq, 'g', conv, gen, 'active', '', shown(T, conv, agent, queue, r))
  transition(T, now, 'accepted', conv, gen, agent, queue)
  return {'ok', tonumber(gen)}
end

-- The invitation ends without him; its agent still has it, under a new generation.
local function not_taken_over(T, now, conv, c, why)
  local gen = tonumber(c.gen) + 1
  local invited = c.inv
  disinvite(T, now, conv, c, gen, why)
  call('HSET', T .. ':conv:' .. conv, 'gen', gen)
  tell(T, now, c.own, 'c', conv, gen, 'active', why)
  transition(T, now, 'uninvited', conv, gen, invited, c.q, {'x', why})
  return gen
end

-- decline(now, conv, gen, agent, reason, client_id) -> ok gen | stale ...
-- Declining is no missed offer: he stays ready. The reason is for the transition log.
local function decline(keys, a)
  local T, now = keys[1], now_of(a[1])
  local c = read(T, a[2])
  if c and c.inv == a[4] and c.gen == a[3] then return {'ok', not_taken_over(T, now, a[2], c, 'declined')} end
  local no
  c, no = as_he_saw_it(T, a, 'offered')
  if not c then return no end
  return {'ok', requeue(T, now, a[2], c, 'declined', true, a[5])}
end

-- What a queue's weights say of a state.
local function weight_in(weights, what, otherwise)
  return tonumber(string.match(',' .. (weights or ''), ',' .. what .. '=(%d+)') or otherwise)
end

-- close(now, conv, gen, agent, code, wrap_ms, wrap_weight, client_id) -> ok gen state | stale ...
-- An active conversation goes to wrap-up, or to closed if wrap_ms is 0 or it is spam; one in wrap-up is closed. wrap_ms below 0: time
-- and weight are its queue's. agent '' is the house itself.
local function close(keys, a)
  local T, now = keys[1], now_of(a[1])
  local conv, agent = a[2], a[4]
  local r = call('HMGET', T .. ':conv:' .. conv, 'state', 'gen', 'own', 'q', 'wt', 'contact', 'acct', 'inv')
  if not r[1] or r[1] == 'sends' then return {'missing'} end
  local c
  if r[1] == 'active' then
    c = {state = r[1], gen = r[2], own = r[3], q = r[4], wt = r[5], contact = r[6], acct = r[7], inv = r[8] or nil} -- all that this asks for
  else
    c = read(T, conv)
  end
  if c.gen ~= a[3] or c.state == 'closed' or (agent ~= '' and c.own ~= agent) then return stale(c.gen, c.state, c.own) end
  local wrap, weight = tonumber(a[6]), tonumber(a[7])
  if wrap < 0 then
    local r = call('HMGET', T .. ':queue:' .. c.q, 'wrap_ms', 'weights')
    wrap, weight = tonumber(r[1] or 60000), weight_in(r[2], 'wrapup', 3)
  end
  if c.state == 'active' and wrap > 0 and a[5] ~= 'spam' then
    local gen = tonumber(c.gen) + 1
    disinvite(T, now, conv, c, gen, 'wrapup')
    call('HSET', T .. ':conv:' .. conv, 'state', 'wrapup', 'gen', gen, 'wt', weight, 'code', a[5])
    local load = call('HINCRBY', T .. ':agent:' .. c.own, 'load', weight - tonumber(c.wt))
    call('ZADD', T .. ':dl', now + wrap, 'wrap|' .. conv .. '|' .. gen)
    tell(T, now, c.own, 'c', conv, gen, 'wrapup', '')
    transition(T, now, 'wrapup', conv, gen, c.own, c.q, {'l', load, 'x', a[5]})
    return {'ok', gen, 'wrapup'}
  end
  return {'ok', shut(T, now, conv, c, a[5]), 'closed'}
end

-- park(now, conv, gen, agent, until_ms, client_id, weight) -> ok gen | stale ...   Waiting for the citizen: it weighs less, or nothing,
-- until it wakes. weight below 0: its queue's.
local function park(keys, a)
  local T, now = keys[1], now_of(a[1])
  local conv, agent = a[2], a[4]
  local c, no = as_he_saw_it(T, a, 'active')
  if not c then return no end
  local gen = tonumber(c.gen) + 1
  disinvite(T, now, conv, c, gen, 'parked')
  local weight = tonumber(a[7])
  if weight < 0 then weight = weight_in(call('HGET', T .. ':queue:' .. c.q, 'weights'), 'parked', 0) end
  call('HSET', T .. ':conv:' .. conv, 'state', 'parked', 'gen', gen, 'wt', weight)
  local load = call('HINCRBY', T .. ':agent:' .. agent, 'load', weight - tonumber(c.wt))
  call('ZADD', T .. ':dl', tonumber(a[5]), 'park|' .. conv .. '|' .. gen)
  tell(T, now, agent, 'c', conv, gen, 'parked', '')
  transition(T, now, 'parked', conv, gen, agent, c.q, {'l', load})
  return {'ok', gen}
end

-- A parked conversation, or one in wrap-up, has news: back to its agent if he can take it, else to its queue with its place.
local function wake(T, now, conv, c, why)
  local weight = tonumber(c.base) - tonumber(c.wt)
  if not can_take(T, c.own, weight) then return requeue(T, now, conv, c, why, false), 'queued', '' end
  local gen = tonumber(c.gen) + 1
  call('HSET', T .. ':conv:' .. conv, 'state', 'active', 'gen', gen, 'wt', c.base)
  local load = call('HINCRBY', T .. ':agent:' .. c.own, 'load', weight)
  tell(T, now, c.own, 'c', conv, gen, 'active', why)
  transition(T, now, 'woken', conv, gen, c.own, c.q, {'l', load, 'x', why})
  return gen, 'active', c.own
end

-- transfer(now, conv, gen, agent, to_queue, to_agent, ttl_ms, client_id, warm 0 or 1, when the queue opens, if it is closed)
-- -> ok gen | stale ... | refused why
-- Cold: the present owner lets go now; the place in the queue is kept. Warm, to an agent: he keeps it until the other accepts, and it
-- is of to_queue then; a program never does, and hands over at once. What it hands over to a closed queue waits for that to open.
local function transfer(keys, a)
  local T, now = keys[1], now_of(a[1])
  local conv, agent = a[2], a[4]
  local c, no = as_he_saw_it(T, a, 'active', 'bot')
  if not c then return no end
  if a[6] ~= '' then
    if a[6] == agent then return {'refused', 'same_agent'} end
    if not can_take(T, a[6], tonumber(c.base)) then return {'refused', 'not_ready'} end
    if a[9] == '1' and c.state ~= 'bot' then
      if a[5] ~= '' and call('EXISTS', T .. ':queue:' .. a[5]) == 0 then return {'refused', 'no_queue'} end
      local gen, till = tonumber(c.gen) + 1, int(now + tonumber(a[7]))
      disinvite(T, now, conv, c, gen, 'rescinded')
      call('HSET', T .. ':conv:' .. conv, 'gen', gen, 'inv', a[6])
      if a[5] ~= '' then call('HSET', T .. ':conv:' .. conv, 'invq', a[5]) end
      call('SADD', T .. ':inv:' .. a[6], conv)
      call('ZADD', T .. ':dl', till, 'warm|' .. conv .. '|' .. gen)
      tell(T, now, a[6], 'o', conv, gen, till, '')
      tell(T, now, agent, 'c', conv, gen, 'active', 'invited')
      transition(T, now, 'invited', conv, gen, a[6], c.q)
      return {'ok', gen}
    end
  elseif a[5] ~= '' then
    if call('EXISTS', T .. ':queue:' .. a[5]) == 0 then return {'refused', 'no_queue'} end
    c.q = a[5]
    call('HSET', T .. ':conv:' .. conv, 'q', a[5])
  end
  if c.state == 'bot' and a[6] == '' and tonumber(a[10]) > now then return {'ok', bots.leave_until(T, now, conv, c, a[10])} end
  local gen = requeue(T, now, conv, c, 'transferred', a[6] == '')
  if a[6] ~= '' then
    call('ZREM', T .. ':q:' .. c.q, conv)
    gen = give(T, now, conv, gen, a[6], tonumber(c.base), c.q, tonumber(a[7]), false, 'transfer')
  end
  return {'ok', gen}
end

-- An agent's command may be repeated for 24 h after a lost answer: its client_id, the last argument, finds what came of it.
-- Only what was done is remembered; a refusal is decided anew.
local function once(command, at)
  return function(keys, a)
    if (a[at] or '') == '' then return command(keys, a) end
    local key = keys[1] .. ':cid:' .. a[4] .. ':' .. a[at]
    -- Written before it is done: to ask first, and write then, costs a call more. What was refused is taken back.
    local before = call('SET', key, a[2] .. '.0', 'NX', 'GET', 'PX', '86400000')
    if before then
      local conv, n = string.match(before, '^(.+)%.(%d+)$')
      return {'repeat', conv, tonumber(n)}
    end
    local done, reply = pcall(command, keys, a)
    if not done or reply[1] ~= 'ok' then call('DEL', key) end
    if not done then error(reply) end
    return reply
  end
end

redis.register_function('offer_' .. VERSION, offer)
redis.register_function('accept_' .. VERSION, once(accept, 5))
redis.register_function('decline_' .. VERSION, once(decline, 6))
redis.register_function{function_name = 'close_' .. VERSION, callback = once(close, 8), flags = {'allow-oom'}}
redis.register_function('park_' .. VERSION, once(park, 6))
redis.register_function('transfer_' .. VERSION, once(transfer, 8))
