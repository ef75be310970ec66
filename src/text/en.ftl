# Everything that a person reads in English. The same keys and variables as ru.ftl: a test compares them.

# --- the persistent keyboard ---
menu-request = Request VPN
menu-disable = Disable VPN access
menu-sessions = My sessions
menu-status = Status
menu-register = Register
menu-cancel = Cancel

# --- the command list of the bot ---
command-start = Start
command-help = How it works
command-register = Link a VPN account
command-status = Your access and connections
command-my-sessions = Your sessions and connections
command-request-vpn = Request VPN access
command-disable-vpn = Disable VPN access
command-cancel = Cancel what you are doing

# --- durations: the parts are joined by a space, the two largest units at most ---
span-days = { $count } d
span-hours = { $count } h
span-minutes = { $count } min
span-seconds = { $count } s
# English has one form after any word
span-minutes-after = { $count } min
span-seconds-after = { $count } s

# --- points in time ---
moment = { $day } { $month ->
    [1] Jan
    [2] Feb
    [3] Mar
    [4] Apr
    [5] May
    [6] Jun
    [7] Jul
    [8] Aug
    [9] Sep
    [10] Oct
    [11] Nov
   *[12] Dec
} { $time }

# --- buttons ---
button-yes-hours = Yes, { $hours } h
button-not-now = Not now
button-not-me = Not me
button-yes-me = Yes, it is me
button-cut-it = Cut it
button-extend = Extend by { $hours } h
button-end-now = Disconnect now
button-end-keep = Close access, keep the connection

# --- questions ---
knock-question =
    Someone is connecting as { $account }.
    Address: { $address }
    Router: { $router }
    Let in?
hold-question =
    Someone is connecting as { $account }.
    Address: { $address }
    Router: { $router }
    The connection waits for your answer for { $seconds } s. Let in?
presence-question =
    Is it you who connected to the VPN?
    Account: { $account }
    Address: { $address }
    Router: { $router }
    Time: { $time }
    Without an answer the connection is not confirmed and will be cut.
reminder-question =
    Access with { $account } ends in { $left } ({ $until }). Extend?
caller-notice =
    { $account } is connecting.
    Address: { $address }
    Router: { $router }
    Time: { $time }
    If it is not you, press the button: access will be closed.
disable-question = Close access with { $account }?
choose-account = Access with which account?

# --- what came of a question, below it ---
prompt-void = The question does not matter any more.
prompt-late = The time to answer is over.
answer-let-in = Access is open. Connect once more.
answer-let-in-held = Access is open. If the connection does not come up by itself, connect once more.
answer-not-now = All right, no questions for 10 minutes. Access is closed.
answer-not-me = Access is closed, the account is locked, the operators are warned.
answer-confirmed = Confirmed.
answer-cut = The connection is being cut.
answer-ended = Access is closed.
answer-extended = Extended.
answer-granted = Access is open.
answer-refused = Refused: access with this account is closed now.
answer-no-more-extensions = It cannot be extended any more. Ask for access again when it ends.
answer-at-the-limit = Not longer: access is open for the longest time already.
answer-by-operator = Confirmed by an operator.

# --- what a presser reads ---
press-late = This button does not work any more.
press-not-yours = This button is not for you.
press-answered = This question was answered already.
press-hung-up = The connection is already down.

# --- refusals ---
refused-locked = The account is locked. Ask your administrator.
refused-disabled = The account is disabled. Ask your administrator.
refused-hours = These are not the allowed hours.
refused-place = Access is not allowed from this address or on this router.
refused-too-many = A connection as { $account } from { $address } on { $router } was refused: { $count ->
        [one] one connection
       *[other] { $count } connections
    } at a time. Disconnect the other first, or close access and ask for it again: /my_sessions
refused-user = You have no right to access. Ask your administrator.

# --- sessions ---
session-granted = Access with { $account } is open until { $until }. You can connect.
session-extended = Access with { $account } is extended until { $until }.
session-extended-redial = Access with { $account } is extended until { $until }. At the old end the connection drops once; connect again, there will be no question.
connection-drops-once = Your connection with { $account } may drop once at { $time }. Connect again then, there will be no question.
session-expired = Access with { $account } has run out; the connection is ended.
session-by-user = Access with { $account } is closed, as you asked.
session-by-operator = Access with { $account } was closed by an operator.
session-denied = Access with { $account } is closed: the connection was not confirmed.
router-not-ready = Router { $router } does not answer at the moment, so { $account } is not open there yet. It is opened as soon as the router is back.
router-ready = Router { $router } is back: { $account } is open there now.
session-unanswered = Access with { $account } is closed: "is it you?" stayed without an answer.
session-unused = Access with { $account } is closed: it was not used in time.
session-disconnected = Access with { $account } is closed after the disconnect.
session-revoked = Access with { $account } was revoked.
session-line = { $account }: open until { $until }, not connected.
session-line-connected = { $account }: open until { $until }, connected from { $places }.
no-session = No access is open.

# --- the person ---
welcome = Hello! This bot opens access to the VPN. To begin, send an application: /register
welcome-back = Hello, { $name }! For access to the VPN press "Request VPN".
help =
    The bot opens access to the VPN for a time.
    /register - send an application
    /request_vpn - ask for access, then connect
    /status - what is open and until when
    /my_sessions - what is open
    /disable_vpn - close access
    /cancel - cancel what was begun
    If the bot asks whether it is you and it is not, press "Not me".
ask-full-name = Write your full name. Changed your mind: /cancel
bad-full-name = That does not look like a name. Write your full name, at most 100 characters. Changed your mind: /cancel
application-sent = Your application is sent, { $name }. An operator will look at it, and the bot will write to you.
standing-unknown = First send an application: /register
standing-pending = Your application is not decided yet. The bot will write when it is.
standing-rejected = Your application was rejected. You can send a new one: /register
standing-approved = You are registered already.
standing-blocked = An operator has closed your access.
decided-approved = Your application is approved, { $name }. Now you can ask for access to the VPN.
decided-rejected = Your application was rejected.
decided-rejected-because = Your application was rejected: { $reason }
decided-blocked = An operator has closed your access.
decided-unblocked = An operator has opened your access again.
cancelled = Cancelled.
nothing-to-cancel = There is nothing to cancel.
not-understood = I do not understand. What the bot can do: /help
no-accounts = No VPN account is bound to you yet. An operator will do that, then you can connect.
status-title = { $name }:
status-none = { $account }: access is closed. Ask for it: /request_vpn

# --- operators' chat ---
operators-application = New application: { $name } (Telegram { $id }). Decide it in the web UI, page Users.
operators-not-me = Alarm: { $name } says of a connection with { $account }: not me. The account is locked.
operators-guessing = Alarm: somebody guesses passwords on router { $router }: { $kind ->
        [caller] caller { $who }
        [box] box { $who }
       *[name] for the name { $who }
    }, { $count } wrong in { $minutes } min, the last for { $name }. Refused for { $minutes } min, or until you lift it (page Log-ins).
operators-guessing-many = Alarm: somebody guesses passwords on router { $router }: { $count } callers or names are locked there now. See the page Log-ins.
operators-no-session = Alarm: { $name } on router { $router } is connected past radgram.
operators-home = Alarm: the home server { $home } of router { $router } (User Manager) fails, nobody whose password it keeps can log in there: { $reason }
operators-not-done = Alarm: on router { $router }, { $thing } is not as radgram wants it: { $reason }
operators-drift = Alarm: on router { $router }, somebody switched { $thing }; { $done ->
        [reverted] it was switched back.
       *[adopted] it stays so until the next change.
    }
operators-outsider = Alarm: { $name } is connected on router { $router } past radgram: { $how }
