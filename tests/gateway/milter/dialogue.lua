-- A dialogue with the milter as the foreign client 'miltertest' holds it.
-- Variables: PORT, and VERSION of the protocol that the "MTA" offers.

local function check(condition, words)
    if not condition then
        mt.echo(words)
        error(words, 2)
    end
end

local function begin(tls)
    local conn = mt.connect("inet:" .. PORT .. "@127.0.0.1")
    check(conn, "cannot connect")
    check(mt.negotiate(conn, tonumber(VERSION), nil, nil) == nil, "negotiation failed")
    check(mt.conninfo(conn, "client.example", "192.0.2.7") == nil, "conninfo failed")
    if tls then
        mt.macro(conn, SMFIC_HELO, "{tls_version}", "TLSv1.3")
    end
    check(mt.helo(conn, "client.example") == nil, "helo failed")
    return conn
end

-- Nobody has signed in; then somebody has, outside TLS.
local conn = begin(false)
mt.mailfrom(conn, "<alice@alpha.example>")
check(mt.getreply(conn) == SMFIR_REPLYCODE, "mail without sign-in was not refused")
mt.macro(conn, SMFIC_MAIL, "{auth_authen}", "alice")
mt.mailfrom(conn, "<alice@alpha.example>")
check(mt.getreply(conn) == SMFIR_REPLYCODE, "mail outside TLS was not refused")
mt.disconnect(conn)

-- A message with forged stamps passes and is changed.
conn = begin(true)
mt.macro(conn, SMFIC_MAIL, "i", "4ABC", "{auth_authen}", "alice")
check(mt.mailfrom(conn, "<alice@alpha.example>") == nil, "mail failed")
check(mt.getreply(conn) == SMFIR_CONTINUE, "mail was refused")
check(mt.rcptto(conn, "<r@beta.example>") == nil, "rcpt failed")
check(mt.getreply(conn) == SMFIR_CONTINUE, "rcpt was refused")
if tonumber(VERSION) > 3 then
    check(mt.data(conn) == nil, "data failed")
end
check(mt.header(conn, "From", "alice@alpha.example") == nil, "header failed")
check(mt.header(conn, "Message-Tracking", "v=1; forged") == nil, "header failed")
check(mt.header(conn, "Subject", "folded\n\tsubject") == nil, "header failed")
check(mt.eoh(conn) == nil, "eoh failed")
check(mt.bodystring(conn, "Text.\r\n") == nil, "body failed")
check(mt.bodystring(conn, string.rep("A line of the message.\r\n", 2500)) == nil, "body failed")
check(mt.eom(conn) == nil, "eom failed")
check(mt.getreply(conn) == SMFIR_CONTINUE or mt.getreply(conn) == SMFIR_ACCEPT, "eom refused")
check(mt.eom_check(conn, MT_HDRINSERT, "Message-Tracking"), "no stamp")
check(mt.eom_check(conn, MT_HDRINSERT, "DKIM-Signature"), "no signature")
check(mt.eom_check(conn, MT_HDRADD, "Date"), "no date")
check(mt.eom_check(conn, MT_HDRADD, "Message-ID"), "no Message-ID")
check(mt.eom_check(conn, MT_HDRDELETE, "Message-Tracking"), "the forged stamp is still there")

-- The next one on the same connection has six recipients, one too many.
mt.macro(conn, SMFIC_MAIL, "i", "4ABD", "{auth_authen}", "alice")
check(mt.mailfrom(conn, "<alice@alpha.example>") == nil, "mail failed")
for number = 1, 5 do
    mt.rcptto(conn, "<r" .. number .. "@beta.example>")
    check(mt.getreply(conn) == SMFIR_CONTINUE, "rcpt " .. number .. " was refused")
end
mt.rcptto(conn, "<r6@beta.example>")
check(mt.getreply(conn) == SMFIR_REPLYCODE, "one recipient too many was taken")
mt.abort(conn)
mt.disconnect(conn)
mt.echo("all is well")
