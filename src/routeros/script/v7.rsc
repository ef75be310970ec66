# radgram: prepares a router with RouterOS 7.
# Fill in the variables between the double quotes. A double quote, dollar or backslash in a secret needs a
# backslash before it. Then paste everything into a terminal of the router, or upload it as radgram.rsc and type:
# /import radgram.rsc
# It can be run again: what is there already is kept or brought up to date.
# Make a backup first: /system backup save name=before-radgram
{
:local radiusSecret "PASTE-THE-SECRET"
:local apiPassword "PASTE-THE-SECRET"
:if (($radiusSecret = "PASTE-THE-SECRET") || ([:len $radiusSecret] = 0)) do={ :error "fill in radiusSecret first; nothing was changed" }
:if (($apiPassword = "PASTE-THE-SECRET") || ([:len $apiPassword] = 0)) do={ :error "fill in apiPassword first; nothing was changed" }

# 1. The router asks radgram about VPN log-ins. If /radius has other entries for ppp, this one must stand
# before them: /radius print
:if ([:len [/radius find where comment="radgram"]] = 0) do={
  /radius add service=ppp address=192.0.2.10 secret=$radiusSecret authentication-port=1812 accounting-port=1813 timeout=3s comment=radgram
}
/radius set [find where comment="radgram"] address=192.0.2.10 secret=$radiusSecret authentication-port=1812 accounting-port=1813 disabled=no

# The router takes only signed answers (BlastRADIUS, CVE-2024-3596). Known from 7.15 on, where it is the
# default; before that the line does nothing.
:do { [[:parse "/radius set [find where comment=\"radgram\"] require-message-auth=yes-for-request-resp"]] } on-error={}

# 2. The router hears radgram when a connection is to end. If the input chain drops what it does not know, let
# this through, above the rule that drops:
# /ip firewall filter add chain=input protocol=udp dst-port=3799 src-address=192.0.2.10 action=accept comment="radgram: Disconnect"
/radius incoming set accept=yes port=3799

# 3. PPP asks RADIUS and reports its connections. A name in /ppp secret still goes first, and needs no yes in
# Telegram: remove each there that radgram is to decide about.
/ppp aaa set use-radius=yes accounting=yes interim-update=60s

# 4. The API user, with the least rights, from radgram's address only. To adopt the passwords of accounts in
# /ppp secret it must see them; take the right away again afterwards:
# /user group set [find where name="radgram"] policy=api,read,write,sensitive
:if ([:len [/user group find where name="radgram"]] = 0) do={
  /user group add name=radgram policy=api,read,write
}
:if ([:len [/user find where name="radgram"]] = 0) do={
  /user add name=radgram group=radgram password=$apiPassword address=192.0.2.10/32 comment=radgram
}
/user set [find where name="radgram" and comment="radgram"] password=$apiPassword address=192.0.2.10/32

# 5. A profile whose connections are in the interface list radgram, so that the firewall knows them. It speaks no
# IPv6, which the rules below do not see. Say which addresses it gives, and let the servers that are on use
# it, with MS-CHAPv2:
# /ppp profile set [find where name="radgram"] local-address=10.255.0.1 remote-address=POOL
# /interface l2tp-server server set default-profile=radgram authentication=mschap2
# /interface sstp-server server set default-profile=radgram authentication=mschap2
:if ([:len [/interface list find where name="radgram"]] = 0) do={
  /interface list add name=radgram comment=radgram
}
:if ([:len [/ppp profile find where name="radgram"]] = 0) do={
  /ppp profile add name=radgram interface-list=radgram change-tcp-mss=yes comment=radgram
  :do { [[:parse "/ppp profile set [find where name=\"radgram\"] use-ipv6=no"]] } on-error={}
}

# 6. Extra protection: a connection of the interface list radgram is up but shut, until its address is in the
# address list radgram, where radgram puts it after the yes. They are on, since leases are on
# for this router in radgram.
:if ([:len [/ip firewall filter find where comment="radgram: all other VPN connections wait"]] = 0) do={
  /ip firewall filter add chain=forward in-interface-list=radgram action=drop disabled=yes comment="radgram: all other VPN connections wait"
  :do { /ip firewall filter move [find where comment="radgram: all other VPN connections wait"] destination=[:pick [/ip firewall filter find where dynamic=no] 0] } on-error={}
}
:if ([:len [/ip firewall filter find where comment="radgram: confirmed connections pass"]] = 0) do={
  /ip firewall filter add chain=forward in-interface-list=radgram src-address-list=radgram action=accept disabled=yes comment="radgram: confirmed connections pass"
  :do { /ip firewall filter move [find where comment="radgram: confirmed connections pass"] destination=[:pick [/ip firewall filter find where dynamic=no] 0] } on-error={}
}
/ip firewall filter enable [find where comment="radgram: confirmed connections pass"]
/ip firewall filter enable [find where comment="radgram: all other VPN connections wait"]

# The other way: a rule of its own for each account, found by 2FA in its comment. Bind it to the account in
# radgram, which then switches it. This one is an example, and stays off.
:if ([:len [/ip firewall filter find where comment="2FA example"]] = 0) do={
  /ip firewall filter add chain=forward in-interface-list=radgram src-address=10.255.0.2 action=accept disabled=yes comment="2FA example"
  :do { /ip firewall filter move [find where comment="2FA example"] destination=[:pick [/ip firewall filter find where dynamic=no] 0] } on-error={}
}

# 7. The API with TLS, for radgram's address only, with a certificate that the router makes. radgram shows the
# fingerprint that it sees: compare it with /certificate print detail
# Other services, the API without TLS among them, stay as they are. Switch off what nobody uses.
# If the input chain drops what it does not know, let radgram through, above the rule that drops:
# /ip firewall filter add chain=input protocol=tcp dst-port=8729 src-address=192.0.2.10 action=accept comment="radgram: API"
:if ([:len [/certificate find where name="radgram-api"]] = 0) do={
  /certificate add name=radgram-api common-name=radgram-api days-valid=3650 key-usage=digital-signature,key-encipherment,tls-server
  /certificate sign radgram-api
}

# Signing takes up to a minute. If this line is refused meanwhile, run the script again.
/ip service set api-ssl address=192.0.2.10/32 port=8729 disabled=no certificate=radgram-api
}
