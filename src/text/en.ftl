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
