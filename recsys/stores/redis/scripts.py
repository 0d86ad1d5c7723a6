"""What the server does at one go. It runs a script whole, or refuses it whole, and logs its changes as one.

Keys, below the prefix: ``events`` event_id → record · ``order`` event_id by number · ``of:user:…`` and ``of:visitor:…``
event_ids by minus their time, so that the newest come first and ties by id · ``on:…`` event_ids of users on a device ·
``slates``, ``slate_order``, ``slates:…`` likewise · ``items`` id → JSON · ``item_order`` ids by version · ``held`` ids
by when · ``profiles``, ``links`` visitor → user · ``visitors:…`` of a user · ``erasures`` SHA-256 → time · ``erased``
the same by SHA-1, which scripts can work out.
A record is two lengths, user_id, visitor_id and JSON of the rest: the visitor can be taken out without reading JSON,
whose numbers Lua would round.
"""

from __future__ import annotations

_SHARED = """
local P = KEYS[1]
local function split(text)
  local n_user, n_visitor, at = string.match(text, '^(%d+) (%d+) ()')
  local visitor_at, rest_at = at + n_user, at + n_user + n_visitor
  return string.sub(text, at, visitor_at - 1), string.sub(text, visitor_at, rest_at - 1), string.sub(text, rest_at)
end
local function owner(kind, user, visitor)
  if user ~= '' then return P .. kind .. 'user:' .. user end
  return P .. kind .. 'visitor:' .. visitor
end
local function remove(id)
  local text = redis.call('HGET', P .. 'events', id)
  if not text then return 0 end
  local user, visitor = split(text)
  redis.call('HDEL', P .. 'events', id)
  redis.call('ZREM', P .. 'order', id)
  redis.call('ZREM', owner('of:', user, visitor), id)
  if user ~= '' and visitor ~= '' then redis.call('SREM', P .. 'on:' .. visitor, id) end
  return 1
end
local function erased(user, visitor)
  local name = user ~= '' and 'user\\0' .. user or 'visitor\\0' .. visitor
  return redis.call('HGET', P .. 'erased', redis.sha1hex(name))
end
"""

# For each event: id, record, minus its time, its time.
APPEND = (
    _SHARED
    + """
local no = tonumber(redis.call('GET', P .. 'no') or '0')
local new = {}
for i = 1, #ARGV, 4 do
  local id, text = ARGV[i], ARGV[i + 1]
  local user, visitor = split(text)
  local until_us = erased(user, visitor)
  if (until_us and tonumber(ARGV[i + 3]) <= tonumber(until_us)) or
      redis.call('HSETNX', P .. 'events', id, text) == 0 then
    new[#new + 1] = 0
  else
    no = no + 1
    redis.call('ZADD', P .. 'order', no, id)
    redis.call('ZADD', owner('of:', user, visitor), ARGV[i + 2], id)
    if user ~= '' and visitor ~= '' then redis.call('SADD', P .. 'on:' .. visitor, id) end
    new[#new + 1] = 1
  end
end
redis.call('SET', P .. 'no', no)
return new
"""
)

# Ids.
REMOVE = (
    _SHARED
    + """
local n = 0
for _, id in ipairs(ARGV) do n = n + remove(id) end
return n
"""
)

# What is ordered, by what, position, limit: id, number and record in turn.
SINCE = (
    _SHARED
    + """
local found = redis.call('ZRANGEBYSCORE', P .. ARGV[2], '(' .. ARGV[3], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[4])
local out = {}
for i = 1, #found, 2 do
  out[#out + 1] = found[i + 1]
  out[#out + 1] = redis.call('HGET', P .. ARGV[1], found[i])
end
return out
"""
)

# Most events, then user and visitor of each.
PEOPLE = (
    _SHARED
    + """
local most = tonumber(ARGV[1])
local out = {}
for i = 2, #ARGV, 2 do
  local user, visitor = ARGV[i], ARGV[i + 1]
  local visitors = {}
  if user == '' and visitor ~= '' then user = redis.call('HGET', P .. 'links', visitor) or '' end
  if user ~= '' then
    visitors = redis.call('SMEMBERS', P .. 'visitors:' .. user)
  elseif visitor ~= '' then
    visitors = {visitor}
  end
  local texts = {}
  local function add(key)
    if most <= 0 then return end
    for _, id in ipairs(redis.call('ZRANGE', key, 0, most - 1)) do
      texts[#texts + 1] = redis.call('HGET', P .. 'events', id)
    end
  end
  if user ~= '' then add(owner('of:', user, '')) end
  for _, one in ipairs(visitors) do add(owner('of:', '', one)) end
  local profile = user ~= '' and redis.call('HGET', P .. 'profiles', user)
  out[#out + 1] = {user, visitors, profile or '', erased(user, visitor) or '', texts}
end
return out
"""
)

# User and visitors: how many events.
COUNT = (
    _SHARED
    + """
local n = ARGV[1] ~= '' and redis.call('ZCARD', owner('of:', ARGV[1], '')) or 0
for i = 2, #ARGV do n = n + redis.call('ZCARD', owner('of:', '', ARGV[i])) end
return n
"""
)

# Of items or profiles, whose held inventory to forget before when, then for each id, record or "" as it was read,
# record as it shall be, since when inventory is held or "", and whether it changed. 0 where others were faster.
SWAP = (
    _SHARED
    + """
local key = P .. ARGV[1]
for i = 3, #ARGV, 5 do
  if (redis.call('HGET', key, ARGV[i]) or '') ~= ARGV[i + 1] then return 0 end
end
local version
for i = 3, #ARGV, 5 do
  redis.call('HSET', key, ARGV[i], ARGV[i + 2])
  if ARGV[1] == 'items' then
    if ARGV[i + 3] ~= '' then
      redis.call('ZADD', P .. 'held', ARGV[i + 3], ARGV[i])
    else
      redis.call('ZREM', P .. 'held', ARGV[i])
    end
    if ARGV[i + 4] == '1' then
      version = version or redis.call('INCR', P .. 'version')
      redis.call('ZADD', P .. 'item_order', version, ARGV[i])
    end
  end
end
if ARGV[2] ~= '' then
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'held', '-inf', '(' .. ARGV[2], 'LIMIT', 0, 100)) do
    redis.call('ZREM', P .. 'held', id)
    if not redis.call('ZSCORE', P .. 'item_order', id) then redis.call('HDEL', P .. 'items', id) end
  end
end
return 1
"""
)

# A version: that of now, then id, version and record in turn of items changed later.
CHANGED = (
    _SHARED
    + """
local found = redis.call('ZRANGEBYSCORE', P .. 'item_order', '(' .. ARGV[1], '+inf', 'WITHSCORES')
local out = {redis.call('GET', P .. 'version') or '0'}
for i = 1, #found, 2 do
  out[#out + 1] = found[i]
  out[#out + 1] = found[i + 1]
  out[#out + 1] = redis.call('HGET', P .. 'items', found[i])
end
return out
"""
)

# An item: version, "" for none, and record.
ITEM = (
    _SHARED
    + """
local version = redis.call('ZSCORE', P .. 'item_order', ARGV[1])
return {version or '', redis.call('HGET', P .. 'items', ARGV[1]) or ''}
"""
)

# User, visitor: who was linked before.
LINK = (
    _SHARED
    + """
local before = redis.call('HGET', P .. 'links', ARGV[2]) or ''
if before ~= ARGV[1] then
  if before ~= '' then redis.call('SREM', P .. 'visitors:' .. before, ARGV[2]) end
  redis.call('HSET', P .. 'links', ARGV[2], ARGV[1])
  redis.call('SADD', P .. 'visitors:' .. ARGV[1], ARGV[2])
end
return before
"""
)

UNLINK = (
    _SHARED
    + """
if redis.call('HGET', P .. 'links', ARGV[2]) ~= ARGV[1] then return 0 end
redis.call('HDEL', P .. 'links', ARGV[2])
redis.call('SREM', P .. 'visitors:' .. ARGV[1], ARGV[2])
return 1
"""
)

# Time and record in turn. An answer may be on its way while its user is erased.
APPEND_SLATES = (
    _SHARED
    + """
for i = 1, #ARGV, 2 do
  local text = ARGV[i + 1]
  local user, visitor = split(text)
  local until_us = erased(user, visitor)
  if not until_us or tonumber(ARGV[i]) > tonumber(until_us) then
    local no = redis.call('INCR', P .. 'slate_no')
    redis.call('HSET', P .. 'slates', no, text)
    redis.call('ZADD', P .. 'slate_order', no, no)
    if user ~= '' or visitor ~= '' then redis.call('SADD', owner('slates:of:', user, visitor), no) end
    if user ~= '' and visitor ~= '' then redis.call('SADD', P .. 'slates:on:' .. visitor, no) end
  end
end
return #ARGV
"""
)

# User, time, SHA-256 of the user, then each linked visitor and its SHA-256: how many events there were, and profiles.
# Nothing where the visitors are not these.
ERASE = (
    _SHARED
    + """
local user, now = ARGV[1], ARGV[2]
if redis.call('SCARD', P .. 'visitors:' .. user) ~= (#ARGV - 3) / 2 then return false end
for i = 4, #ARGV, 2 do
  if redis.call('SISMEMBER', P .. 'visitors:' .. user, ARGV[i]) == 0 then return false end
end
local n = 0
local function later(key, field)
  local known = redis.call('HGET', P .. key, field)
  if not known or tonumber(known) < tonumber(now) then redis.call('HSET', P .. key, field, now) end
end
local function forget(one_user, visitor)
  for _, id in ipairs(redis.call('ZRANGE', owner('of:', one_user, visitor), 0, -1)) do n = n + remove(id) end
  local shown = owner('slates:of:', one_user, visitor)
  for _, no in ipairs(redis.call('SMEMBERS', shown)) do
    local text = redis.call('HGET', P .. 'slates', no)
    if text then
      local _, on = split(text)
      if on ~= '' then redis.call('SREM', P .. 'slates:on:' .. on, no) end
    end
    redis.call('HDEL', P .. 'slates', no)
    redis.call('ZREM', P .. 'slate_order', no)
  end
  redis.call('DEL', shown)
end
local function strip(records, on)
  for _, id in ipairs(redis.call('SMEMBERS', on)) do
    local text = redis.call('HGET', records, id)
    if text then
      local one_user, _, rest = split(text)
      redis.call('HSET', records, id, #one_user .. ' 0 ' .. one_user .. rest)
    end
  end
  redis.call('DEL', on)
end
forget(user, '')
later('erasures', ARGV[3])
later('erased', redis.sha1hex('user\\0' .. user))
for i = 4, #ARGV, 2 do
  local visitor = ARGV[i]
  forget('', visitor)
  strip(P .. 'events', P .. 'on:' .. visitor)
  strip(P .. 'slates', P .. 'slates:on:' .. visitor)
  redis.call('HDEL', P .. 'links', visitor)
  later('erasures', ARGV[i + 1])
  later('erased', redis.sha1hex('visitor\\0' .. visitor))
end
redis.call('DEL', P .. 'visitors:' .. user)
return {n, redis.call('HDEL', P .. 'profiles', user)}
"""
)

# Model, then digest and vector in turn.
PUT_VECTORS = (
    _SHARED
    + """
for i = 2, #ARGV, 2 do redis.call('HSET', P .. 'vectors:' .. ARGV[1], ARGV[i], ARGV[i + 1]) end
return 1
"""
)
