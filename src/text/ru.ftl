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

# --- buttons ---
button-yes-hours = Да, на { $hours } ч
button-not-now = Не сейчас
button-not-me = Это не я
button-yes-me = Да, это я
button-cut-it = Разорвать
button-extend = Продлить на { $hours } ч
button-end-now = Отключить сейчас
button-end-keep = Закрыть доступ, соединение не рвать

# --- questions ---
knock-question =
    Кто-то подключается под учётной записью { $account }.
    Адрес: { $address }
    Роутер: { $router }
    Впустить?
hold-question =
    Кто-то подключается под учётной записью { $account }.
    Адрес: { $address }
    Роутер: { $router }
    Подключение ждёт вашего ответа { $seconds } с. Впустить?
presence-question =
    Это вы подключились к VPN?
    Учётная запись: { $account }
    Адрес: { $address }
    Роутер: { $router }
    Время: { $time }
    Пока нет ответа, соединение не подтверждено и будет разорвано.
reminder-question =
    Доступ { $account } закончится через { $left } ({ $until }). Продлить?
caller-notice =
    Новое подключение { $account }.
    Адрес: { $address }
    Роутер: { $router }
    Время: { $time }
    Если это не вы, нажмите кнопку: доступ будет закрыт.
disable-question = Отключить доступ { $account }?
choose-account = Для какой учётной записи открыть доступ?

# --- what came of a question, below it ---
prompt-void = Вопрос больше не актуален.
prompt-late = Время ответа вышло.
answer-let-in = Доступ открыт. Подключитесь ещё раз.
answer-let-in-held = Доступ открыт. Если подключение не установится само, подключитесь ещё раз.
answer-not-now = Хорошо, 10 минут без вопросов. Доступ закрыт.
answer-not-me = Доступ закрыт, учётная запись заблокирована, администраторы предупреждены.
answer-confirmed = Подтверждено.
answer-cut = Соединение разрывается.
answer-ended = Доступ закрыт.
answer-extended = Продлено.
answer-granted = Доступ открыт.
answer-refused = Отказано: доступ этой учётной записи сейчас закрыт.
answer-no-more-extensions = Больше продлевать нельзя. Запросите доступ заново, когда он закончится.
answer-at-the-limit = Дольше нельзя: доступ и так открыт на самый большой срок.
answer-by-operator = Подтверждено администратором.

# --- what a presser reads ---
press-late = Эта кнопка больше не действует.
press-not-yours = Эта кнопка не для вас.
press-answered = На этот вопрос уже ответили.
press-hung-up = Соединение уже завершено.

# --- refusals ---
refused-locked = Учётная запись заблокирована. Обратитесь к администратору.
refused-disabled = Учётная запись отключена. Обратитесь к администратору.
refused-hours = Сейчас не разрешённые часы.
refused-place = С этого адреса или роутера доступ не разрешён.
refused-too-many = Подключение { $account } с адреса { $address } на роутере { $router } отклонено: одновременно можно не больше { $count }. Сначала отключите другое подключение или закройте доступ и запросите заново: /my_sessions
refused-user = У вас нет права на доступ. Обратитесь к администратору.

# --- sessions ---
session-granted = Доступ { $account } открыт до { $until }. Подключайтесь.
session-extended = Доступ { $account } продлён до { $until }.
session-extended-redial = Доступ { $account } продлён до { $until }. В прежнее время окончания соединение один раз прервётся; подключитесь снова, подтверждать не придётся.
connection-drops-once = Соединение { $account } может один раз прерваться в { $time }. Подключитесь тогда снова, подтверждать не придётся.
session-expired = Срок доступа { $account } истёк, соединение завершено.
session-by-user = Доступ { $account } закрыт по вашей просьбе.
session-by-operator = Доступ { $account } закрыт администратором.
session-denied = Доступ { $account } закрыт: подключение не подтверждено.
router-not-ready = Роутер { $router } сейчас не отвечает, поэтому { $account } там ещё не открыт. Откроется, как только роутер вернётся.
router-ready = Роутер { $router } снова на связи: { $account } там открыт.
session-unanswered = Доступ { $account } закрыт: на вопрос «Это вы?» не было ответа.
session-unused = Доступ { $account } закрыт: им не воспользовались вовремя.
session-disconnected = Доступ { $account } закрыт после отключения.
session-revoked = Доступ { $account } отозван.
session-line = { $account }: доступ открыт до { $until }, соединения нет.
session-line-connected = { $account }: доступ открыт до { $until }, подключено с { $places }.
no-session = Открытого доступа нет.

# --- the person ---
welcome = Здравствуйте! Этот бот открывает доступ к VPN. Чтобы начать, отправьте заявку: /register
welcome-back = Здравствуйте, { $name }! Чтобы получить доступ к VPN, нажмите «Запросить VPN».
help =
    Бот открывает доступ к VPN на время.
    /register — отправить заявку
    /request_vpn — запросить доступ, затем подключиться
    /status — что открыто и до какого времени
    /my_sessions — открытые доступы
    /disable_vpn — закрыть доступ
    /cancel — отменить начатое
    Если бот спросит, вы ли это, а это не вы, нажмите «Это не я».
ask-full-name = Напишите ваши имя и фамилию. Передумали: /cancel
bad-full-name = Не похоже на имя. Напишите имя и фамилию, не больше 100 знаков. Передумали: /cancel
application-sent = Заявка отправлена, { $name }. Администратор рассмотрит её, и бот вам напишет.
standing-unknown = Сначала отправьте заявку: /register
standing-pending = Заявка ещё рассматривается. Бот напишет, когда её одобрят.
standing-rejected = Заявка отклонена. Можно отправить новую: /register
standing-approved = Вы уже зарегистрированы.
standing-blocked = Доступ закрыт администратором.
decided-approved = Заявка одобрена, { $name }. Теперь можно запросить доступ к VPN.
decided-rejected = Заявка отклонена.
decided-rejected-because = Заявка отклонена: { $reason }
decided-blocked = Администратор закрыл вам доступ.
decided-unblocked = Администратор снова открыл вам доступ.
cancelled = Отменено.
nothing-to-cancel = Отменять нечего.
not-understood = Не понимаю. Что умеет бот: /help
no-accounts = К вам ещё не привязана учётная запись VPN. Администратор сделает это, и можно будет подключиться.
status-title = { $name }:
status-none = { $account }: доступ закрыт. Запросить: /request_vpn

# --- operators' chat ---
operators-application = Новая заявка: { $name } (Telegram { $id }). Рассмотрите её в веб-интерфейсе, страница «Users».
operators-not-me = Тревога: { $name } говорит о подключении { $account }: «это не я». Учётная запись заблокирована.
operators-guessing = Тревога: на роутере { $router } подбирают пароли: { $kind ->
        [caller] абонент { $who }
        [box] устройство { $who }
       *[name] к имени { $who }
    }, неверных за { $minutes } мин: { $count }, последний — для { $name }. Отказ на { $minutes } мин, или пока вы его не снимете (страница «Log-ins»).
operators-guessing-many = Тревога: на роутере { $router } подбирают пароли: сейчас там заблокировано абонентов и имён: { $count }. См. страницу «Log-ins».
operators-no-session = Тревога: { $name } на роутере { $router } подключено в обход radgram.
operators-home = Тревога: сервер паролей { $home } роутера { $router } (User Manager) не работает, войти через него никто не может: { $reason }
operators-not-done = Тревога: на роутере { $router } не выполнено нужное ({ $thing }): { $reason }
operators-drift = Тревога: на роутере { $router } кто-то переключил { $thing }; { $done ->
        [reverted] возвращено как было.
       *[adopted] оставлено так до следующего изменения.
    }
operators-outsider = Тревога: { $name } на роутере { $router } подключено в обход radgram: { $how }
