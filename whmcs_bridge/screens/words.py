"""What the client reads, in three languages, with dates and money as that language writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from babel import Locale
from babel.dates import format_date
from babel.lists import format_list
from babel.numbers import format_currency, format_decimal

LOCALES: Final[Mapping[str, str]] = {
    "english": "en",
    "en": "en",
    "portuguese-br": "pt_BR",
    "portuguese-pt": "pt_BR",
    "pt-br": "pt_BR",
    "dutch": "nl",
    "nl": "nl",
}
"""WHMCS names a language by its file; who reads European Portuguese is better served by Brazilian than by English."""
NAMED_AT_MOST: Final = 5

_TEXTS: Final[Mapping[str, tuple[str, str, str]]] = {
    # key: English, Brazilian Portuguese, Dutch
    "label": ("Open invoices: {amount}", "Faturas em aberto: {amount}", "Openstaande facturen: {amount}"),
    "overdue": (
        "Invoice {number}: {amount}, due since {date}",
        "Fatura {number}: {amount}, vencida desde {date}",
        "Factuur {number}: {amount}, vervallen sinds {date}",
    ),
    "due": (
        "Invoice {number}: {amount}, to be paid by {date}",
        "Fatura {number}: {amount}, a pagar até {date}",
        "Factuur {number}: {amount}, te betalen uiterlijk {date}",
    ),
    "pending": (
        "Invoice {number}: {amount}, your payment is being processed",
        "Fatura {number}: {amount}, seu pagamento está sendo processado",
        "Factuur {number}: {amount}, uw betaling wordt verwerkt",
    ),
    "down": ("Suspended now: {services}", "Suspenso no momento: {services}", "Nu opgeschort: {services}"),
    "suspend": (
        "From {date}: suspension of {services}",
        "A partir de {date}: suspensão de {services}",
        "Vanaf {date}: opschorting van {services}",
    ),
    "terminate": (
        "From {date}: end of {services}",
        "A partir de {date}: encerramento de {services}",
        "Vanaf {date}: beëindiging van {services}",
    ),
    "delete_backups": (
        "From {date}: deletion of the backups of {services}",
        "A partir de {date}: exclusão dos backups de {services}",
        "Vanaf {date}: verwijdering van de back-ups van {services}",
    ),
    "prevents": (
        "Payment of these invoices prevents it: {invoices}.",
        "O pagamento destas faturas evita isso: {invoices}.",
        "Betaling van deze facturen voorkomt dit: {invoices}.",
    ),
    "restores": (
        "Payment of these invoices brings what is suspended back: {invoices}.",
        "O pagamento destas faturas reativa o que está suspenso: {invoices}.",
        "Na betaling van deze facturen wordt het opgeschorte weer ingeschakeld: {invoices}.",
    ),
    "in_time": (
        "If you pay in time, nothing changes.",
        "Com o pagamento em dia, nada muda.",
        "Bij tijdige betaling verandert er niets.",
    ),
    "tell_us": (
        "If you cannot pay by then, please tell us before that day.",
        "Se não for possível pagar até lá, fale conosco antes dessa data.",
        "Lukt betalen vóór die dag niet, laat het ons dan tijdig weten.",
    ),
    "thanks": (
        "If you have just paid, thank you; there is nothing more to do.",
        "Se você acabou de pagar, obrigado; não é preciso fazer mais nada.",
        "Hebt u zojuist betaald, hartelijk dank; u hoeft verder niets te doen.",
    ),
    "further": (
        "Other services concerned: {count}",
        "Outros serviços afetados: {count}",
        "Andere betrokken diensten: {count}",
    ),
    "pay": ("View and pay invoices", "Ver e pagar faturas", "Facturen bekijken en betalen"),
    "more": ("{count} more", "mais {count}", "nog {count}"),
    # what the client may ask for by a link
    "ask_release": (
        "Switch {service} on again until {date}; payment is due until then",
        "Reativar {service} até {date}; o pagamento deve ser feito até lá",
        "{service} weer inschakelen tot en met {date}; betaling volgt uiterlijk dan",
    ),
    "ask_promise": (
        "I will pay for {service} by {date}",
        "Vou pagar {service} até {date}",
        "Ik betaal {service} uiterlijk {date}",
    ),
    "confirm": ("Yes, please", "Sim, por favor", "Ja, graag"),
    "leave": ("No, go back", "Não, voltar", "Nee, terug"),
    "asked": (
        "Your request is recorded: {service}, until {date}.",
        "Seu pedido foi registrado: {service}, até {date}.",
        "Uw verzoek is vastgelegd: {service}, tot en met {date}.",
    ),
    "not_asked": (
        "Your request could not be granted. Please pay, or write to us.",
        "Não foi possível atender ao pedido. Pague, por favor, ou fale conosco.",
        "Uw verzoek kon niet worden ingewilligd. Betaal alstublieft, of neem contact met ons op.",
    ),
    # two sentences that staff reads to the client
    "say_down": (
        "{service} is suspended, because {amount} has been due since {date} (invoice no. {invoices}).",
        "{service} está suspenso, porque {amount} está em atraso desde {date} (fatura nº {invoices}).",
        "{service} is opgeschort, omdat {amount} sinds {date} openstaat (factuurnr. {invoices}).",
    ),
    "say_coming": (
        "{amount} has been due since {date} (invoice no. {invoices}); without payment {service} is suspended from "
        "{day}.",
        "{amount} está em atraso desde {date} (fatura nº {invoices}); sem pagamento, {service} será suspenso a partir "
        "de {day}.",
        "{amount} staat sinds {date} open (factuurnr. {invoices}); zonder betaling wordt {service} opgeschort vanaf "
        "{day}.",
    ),
    "say_overdue": (
        "{amount} has been due since {date} (invoice no. {invoices}); no suspension of {service} is planned for now.",
        "{amount} está em atraso desde {date} (fatura nº {invoices}); por enquanto, nenhuma suspensão de {service} "
        "está prevista.",
        "{amount} staat sinds {date} open (factuurnr. {invoices}); voorlopig is er geen opschorting van {service} "
        "gepland.",
    ),
    "say_clear": (
        "Nothing is overdue for {service}.",
        "Nada está em atraso para {service}.",
        "Er staat niets open voor {service}.",
    ),
    "say_restores": (
        "It comes back as soon as all of that is paid{offer}.",
        "Ele volta assim que tudo isso for pago{offer}.",
        "Het komt terug zodra dat allemaal is betaald{offer}.",
    ),
    "say_prevents": (
        "Once that is paid in full, nothing else needs to be done{offer}.",
        "Com isso pago por completo, nada mais é preciso{offer}.",
        "Zodra dat volledig is betaald, is er verder niets nodig{offer}.",
    ),
    "say_nothing": (
        "There is nothing that you have to do.",
        "Não é preciso fazer nada.",
        "U hoeft niets te doen.",
    ),
    "offer_release": (
        "; until then I can switch it on again, through {day} at the latest",
        "; enquanto isso, posso reativá-lo até {day}, no máximo",
        "; tot die tijd kan ik het weer inschakelen, uiterlijk tot en met {day}",
    ),
    "offer_promise": (
        "; if you need time, I can note today that you will pay by {day} at the latest",
        "; se precisar de tempo, posso registrar hoje que o pagamento será feito até {day}, no máximo",
        "; als u tijd nodig hebt, kan ik vandaag noteren dat u uiterlijk {day} betaalt",
    ),
}
_ORDER: Final = ("en", "pt_BR", "nl")


@dataclass(frozen=True, slots=True)
class Speaker:
    """Speaks one language."""

    locale: str
    """en, pt_BR or nl."""

    @property
    def tag(self) -> str:
        """The language as HTML names it."""
        return self.locale.replace("_", "-")

    def say(self, key: str, **values: object) -> str:
        """Return the text of this key; its values are plain text, escaped by whoever shows it."""
        return _TEXTS[key][_ORDER.index(self.locale)].format(**values)

    def day(self, day: date) -> str:
        """A date in words: `13 de março de 2025`."""
        return format_date(day, "long", locale=self.locale)

    def money(self, amount: Decimal, currency: str) -> str:
        """An amount as this language writes it; a currency that WHMCS did not name is left out."""
        if not currency:
            return format_decimal(amount, "#,##0.00", locale=self.locale)
        return format_currency(amount, currency, locale=self.locale)

    def listed(self, names: Sequence[str]) -> str:
        """`a, b and c`, in short where there are many."""
        shown = list(names[:NAMED_AT_MOST])
        if len(names) > NAMED_AT_MOST:
            shown.append(self.say("more", count=len(names) - NAMED_AT_MOST))
        return format_list(shown, locale=Locale.parse(self.locale))


SPEAKERS: Final = tuple(Speaker(locale) for locale in _ORDER)


def speaker(language: str) -> Speaker:
    """Return who speaks this language of WHMCS's; English where it is another."""
    return Speaker(LOCALES.get(language.strip().lower().replace("_", "-"), "en"))
