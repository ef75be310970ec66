# Everything that a person reads in Russian. The same keys and variables as en.ftl: a test compares them.

# --- the persistent keyboard ---
menu-request = Запросить VPN
menu-disable = Отключить доступ к VPN
menu-sessions = Мои сессии
menu-status = Статус
menu-register = Зарегистрироваться
menu-cancel = Отмена

# --- the command list of the bot ---
command-start = Начать
command-help = Как это работает
command-register = Привязать учётную запись VPN
command-status = Состояние доступа и подключений
command-my-sessions = Мои сессии и подключения
command-request-vpn = Запросить доступ к VPN
command-disable-vpn = Отключить доступ к VPN
command-cancel = Отменить текущее действие

# --- durations: the parts are joined by a space, the two largest units at most ---
span-days = { $count ->
    [one] { $count } день
    [few] { $count } дня
   *[other] { $count } дней
}
span-hours = { $count ->
    [one] { $count } час
    [few] { $count } часа
   *[other] { $count } часов
}
span-minutes = { $count ->
    [one] { $count } минута
    [few] { $count } минуты
   *[other] { $count } минут
}
span-seconds = { $count ->
    [one] { $count } секунда
    [few] { $count } секунды
   *[other] { $count } секунд
}
# the accusative, as after «на» and «через»
span-minutes-after = { $count ->
    [one] { $count } минуту
    [few] { $count } минуты
   *[other] { $count } минут
}
span-seconds-after = { $count ->
    [one] { $count } секунду
    [few] { $count } секунды
   *[other] { $count } секунд
}

# --- points in time ---
moment = { $day } { $month ->
    [1] января
    [2] февраля
    [3] марта
    [4] апреля
    [5] мая
    [6] июня
    [7] июля
    [8] августа
    [9] сентября
    [10] октября
    [11] ноября
   *[12] декабря
} { $time }
