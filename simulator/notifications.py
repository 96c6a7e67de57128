"""Notification rules of elements and their subscribers: configuration only, nothing of what was sent (pi-web-api.md 6.3)."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from simulator.api import Answer, Refusal, Request, Routes, reply
from simulator.asset_finder import AssetFinder, Placed, not_found
from simulator.asset_routes import AssetRoutes, required
from simulator.asset_templates import is_a
from simulator.assets import Element
from simulator.catalogue import letter_of
from simulator.listing import in_order, page
from simulator.queries import Tests, matching, text_test

_WORD = "NotificationRules["
_RULE_ONE_IN = 5


@dataclass(frozen=True, slots=True)
class _Subscriber:
    name: str
    config: str
    contact_template: str
    contact_type: str
    plug_in: str
    notify: str


_SUBSCRIBERS = (
    _Subscriber("Shift lead", "ToEmail=shift@example.com", "Shift lead", "Individual", "Email", "EventStart"),
    _Subscriber("Maintenance", "ToEmail=maintenance@example.com", "Maintenance", "Group", "Email", "EventStartAndEnd"),
    _Subscriber("Ticket system", "Url=https://tickets.example.com/api", "Ticket system", "Individual", "WebService", "EventEnd"),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule of one piece of equipment."""

    id: UUID
    name: str
    placed: Placed
    enabled: bool
    subscribers: tuple[_Subscriber, ...]

    @property
    def path(self) -> str:
        return f"{self.placed.path}\\{_WORD}{self.name}]"


class NotificationRules:
    """One piece of equipment in five has a rule."""

    def __init__(self, finder: AssetFinder, design: AssetRoutes) -> None:
        self._finder = finder
        self._assets = finder.assets
        self._design = design

    def add_routes(self, routes: Routes) -> None:
        routes.get("notificationrules", self.rule_by_path)
        routes.get("notificationrules/search", self.search)
        routes.get("notificationrules/{}", self.rule)
        routes.get("notificationrules/{}/notificationrulesubscribers", self.subscribers)
        routes.get("notificationrulesubscribers/{}", self.subscriber)
        routes.get("elements/{}/notificationrules", self.of_element)

    def _of(self, element: Element) -> Rule | None:
        own = self._assets.guid(element.id, "notification rule")
        if own.int % _RULE_ONE_IN or not is_a(element.template, "Equipment"):
            return None
        count = 1 + (own.int >> 8) % len(_SUBSCRIBERS)
        name = f"Alarms of {element.name}"
        return Rule(own, name, self._finder.placed(element), (own.int >> 16) % 4 > 0, _SUBSCRIBERS[:count])

    def _all(self) -> list[Rule]:
        return [rule for element in self._assets.by_id.values() if (rule := self._of(element)) is not None]

    # Answering

    def rule_by_path(self, request: Request) -> Answer:
        path = required(request, "path")
        owner, separator, name = path.rpartition("\\")
        if not separator or not name.upper().startswith(_WORD.upper()) or not name.endswith("]"):
            raise Refusal(400, f"The path '{path}' is not a valid path of a notification rule.")
        rule = self._of(self._finder.element_at(owner).element)
        if rule is None or rule.name.upper() != name[len(_WORD) : -1].upper():
            raise not_found("notification rule", path)
        return reply(request, self._describe(request, rule))

    def rule(self, request: Request, web_id: str) -> Answer:
        return reply(request, self._describe(request, self._find(web_id)))

    def _find(self, web_id: str) -> Rule:
        decoded = self._finder.of_kind(web_id, "NR", "notification rule")
        for rule in self._all():
            if decoded.guids[-1:] == (rule.id,) or (not decoded.guids and decoded.path == rule.path[2:].upper()):
                return rule
        raise not_found("notification rule", web_id)

    def of_element(self, request: Request, web_id: str) -> Answer:
        rule = self._of(self._finder.element(web_id).element)
        return reply(request, {"Items": [] if rule is None else [self._describe(request, rule)]})

    def search(self, request: Request) -> Answer:
        self._finder.check_database(required(request, "databaseWebId"))
        tests: Tests[Rule] = {
            "Name": text_test(lambda rule: [rule.name]),
            "ElementName": text_test(lambda rule: [rule.placed.element.name]),
            "Status": text_test(lambda rule: [_status(rule)]),
        }
        found = matching(self._all(), request.query.one("query") or "", tests)
        return page(request, in_order(request, found, {"Name": lambda rule: rule.name.lower()}), lambda rule: self._describe(request, rule))

    def subscribers(self, request: Request, web_id: str) -> Answer:
        rule = self._find(web_id)
        return reply(request, {"Items": [self._describe_subscriber(request, rule, one) for one in rule.subscribers]})

    def subscriber(self, request: Request, web_id: str) -> Answer:
        decoded = self._finder.of_kind(web_id, "NSL", "notification rule subscriber")
        for rule in self._all():
            for one in rule.subscribers:
                described = self._describe_subscriber(request, rule, one)
                by_path = not decoded.guids and decoded.path == described["Path"][2:].upper()
                if by_path or decoded.guids[-2:] == (rule.id, UUID(described["Id"])):
                    return reply(request, described)
        raise not_found("notification rule subscriber", web_id)

    # Describing

    def _describe(self, request: Request, rule: Rule) -> dict[str, Any]:
        letter = letter_of(request.query)
        web_id = self._finder.web_id(letter, "NR", rule.path, rule.id)
        url = f"{request.base}/notificationrules/{web_id}"
        links = {
            "Self": url,
            "Element": f"{request.base}/elements/{self._finder.element_web_id(rule.placed, letter)}",
            "Database": self._design.database_url(request),
            "NotificationRuleSubscribers": url + "/notificationrulesubscribers",
        }
        return {
            "WebId": web_id,
            "Id": str(rule.id),
            "Name": rule.name,
            "Description": "",
            "Path": rule.path,
            "AutoCreated": False,
            "CategoryNames": [],
            "Criteria": "Template:'Process alarm' Severity:>=Minor",
            "MultiTriggerEventOption": "HighestSeverity",
            "NonrepetitionInterval": "PT5M",
            "ResendInterval": "PT0S",
            "Status": _status(rule),
            "TemplateName": "",
            "Links": links,
        }

    def _describe_subscriber(self, request: Request, rule: Rule, one: _Subscriber) -> dict[str, Any]:
        own, path = self._assets.guid(rule.id, "subscriber", one.name), f"{rule.path}|{one.name}"
        letter = letter_of(request.query)
        web_id = self._finder.web_id(letter, "NSL", path, rule.id, own)
        owner = self._finder.web_id(letter, "NR", rule.path, rule.id)
        links = {
            "Self": f"{request.base}/notificationrulesubscribers/{web_id}",
            "NotificationRule": f"{request.base}/notificationrules/{owner}",
        }
        return {
            "WebId": web_id,
            "Id": str(own),
            "Name": one.name,
            "Description": "",
            "Path": path,
            "ConfigString": one.config,
            "ContactTemplateName": one.contact_template,
            "ContactType": one.contact_type,
            "DeliveryFormatName": "Default",
            "PlugInName": one.plug_in,
            "EscalationTimeout": "PT0S",
            "MaximumRetries": "3",
            "NotifyOption": one.notify,
            "RetryInterval": "PT30S",
            "Links": links,
        }


def _status(rule: Rule) -> str:
    return "Enabled" if rule.enabled else "Disabled"
