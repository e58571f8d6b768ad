"""Django REST framework: marks on its views, and its users."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.urls import include, path
from rest_framework.decorators import action, api_view, permission_classes
from rest_framework.permissions import DjangoModelPermissions, IsAdminUser, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from callerid import Caller, Public, UnguardedEndpointError
from callerid.access import access_map
from callerid.django import CallerAuthentication, CallerUser, Guard
from tests.fixtures import OTHERS, STAFF, token

from .world import ask, closed, only_others, statuses


def test_functions_with_the_mark_above_and_below(guard: Guard, by_asgi: bool) -> None:
    @guard.allow(OTHERS)
    @api_view(["GET"])
    def above(request: Request) -> Response:
        return Response({"caller": str(request.caller)})

    @api_view(["GET", "POST"])
    @guard.allow(OTHERS)
    def below(request: Request) -> Response:
        return Response({"caller": str(request.caller)})

    project = closed([path("a/", above), path("b/", below)], guard)
    assert only_others(project, "/a/", by_asgi=by_asgi)
    assert only_others(project, "/b/", by_asgi=by_asgi)
    assert only_others(project, "/b/", method="POST", by_asgi=by_asgi)
    assert ask(project, "/b/", "outsider", by_asgi=by_asgi).json() == {"caller": "user:eve@other.com"}
    assert statuses(project, "/b/", None, "staff", "outsider", method="PUT", by_asgi=by_asgi) == [401, 405, 403]


def test_classes_and_their_methods(guard: Guard) -> None:
    @guard.allow(OTHERS)
    class Marked(APIView):
        def get(self, request: Request) -> Response:
            return Response("got")

    class Methods(APIView):
        @guard.allow(OTHERS)
        def get(self, request: Request) -> Response:
            return Response("got")

        def post(self, request: Request) -> Response:
            return Response("posted")

    project = closed([path("", Marked.as_view()), path("m/", Methods.as_view())], guard)
    assert only_others(project)
    assert only_others(project, "/m/")
    assert statuses(project, "/m/", None, "staff", "outsider", method="POST") == [401, 200, 403]
    assert statuses(project, "/m/", None, "staff", "outsider", method="OPTIONS") == [401, 200, 403]


def test_viewsets_and_routers(guard: Guard) -> None:
    class Orders(ViewSet):
        @guard.allow(OTHERS)
        def list(self, request: Request) -> Response:
            return Response("list")

        def create(self, request: Request) -> Response:
            return Response("create")

        @guard.allow(OTHERS)
        @action(detail=True, methods=["post"])
        def send(self, request: Request, pk: str) -> Response:
            return Response("send")

        @action(detail=True)
        @guard.allow(Public())
        def look(self, request: Request, pk: str) -> Response:
            return Response("look")

    @guard.allow(OTHERS)
    class Marked(Orders):
        def retrieve(self, request: Request, pk: str) -> Response:
            return Response("retrieve")

    router = DefaultRouter()
    router.register("orders", Orders, basename="order")
    router.register("marked", Marked, basename="marked")
    project = closed([path("api/", include(router.urls))], guard)
    assert only_others(project, "/api/orders/")
    assert only_others(project, "/api/orders/", method="HEAD")
    assert only_others(project, "/api/orders/7/send/", method="POST")
    assert only_others(project, "/api/marked/7/")
    assert statuses(project, "/api/orders/", None, "staff", "outsider", method="POST") == [401, 200, 403]
    assert statuses(project, "/api/orders/7/look/", None) == [200]
    assert statuses(project, "/api/", None, "staff", "outsider") == [401, 200, 403]
    assert statuses(project, "/api/orders/", "staff", "outsider", method="DELETE") == [405, 403]


def test_a_method_of_a_viewset_that_is_no_action_serves_by_its_own_rule(guard: Guard) -> None:
    class Orders(ViewSet):
        def list(self, request: Request) -> Response:
            return Response("list")

        @guard.allow(OTHERS)
        def post(self, request: Request) -> Response:
            return Response("posted")

    project = closed([path("orders/", Orders.as_view({"get": "list"}))], guard)
    assert statuses(project, "/orders/", None, "staff", "outsider", method="POST") == [401, 403, 200]
    assert statuses(project, "/orders/", None, "staff", "outsider") == [401, 200, 403]
    with project.settings():
        assert [row.name for row in access_map(WSGIHandler()).routes][:2] == ["GET /orders/", "POST /orders/"]


def test_the_user_is_the_caller(guard: Guard, by_asgi: bool) -> None:
    class Who(APIView):
        permission_classes = (IsAuthenticated,)

        def get(self, request: Request) -> Response:
            user = request.user
            assert isinstance(user, CallerUser)
            assert isinstance(request.auth, Caller)
            assert request.auth is user.caller is request.caller
            assert (user.is_authenticated, user.is_active, user.is_anonymous) == (True, True, False)
            assert (user.is_staff, user.is_superuser) == (False, False)
            assert (user.has_perm("x"), user.has_perms(["x"]), user.has_module_perms("x")) == (False, False, False)
            assert user.id == user.pk == f"https://accounts.google.com#{user.caller.subject}"
            return Response([str(user), user.get_username(), user.username])

    project = closed([path("", Who.as_view())], guard)
    assert ask(project, "/", "staff", by_asgi=by_asgi).json() == ["user:ada@example.com"] * 3


def test_nobody_gets_the_challenge_where_the_framework_wants_a_user(guard: Guard, by_asgi: bool) -> None:
    @api_view(["GET"])
    @permission_classes([IsAuthenticated])
    @guard.allow(Public() | STAFF)
    def optional(request: Request) -> Response:
        return Response(str(request.user))

    project = closed([path("", optional)], guard)
    refused = ask(project, "/", by_asgi=by_asgi)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="callerid"'
    assert ask(project, "/", "staff", by_asgi=by_asgi).json() == "user:ada@example.com"


@pytest.mark.parametrize("permission", [IsAdminUser, DjangoModelPermissions])
def test_a_caller_has_none_of_djangos_permissions(guard: Guard, permission: Any) -> None:
    from django.contrib.auth.models import Group

    class Shut(APIView):
        permission_classes = (permission,)
        queryset = Group.objects.none()

        def post(self, request: Request) -> Response:
            return Response("got")

    project = closed([path("", Shut.as_view())], guard)
    assert statuses(project, "/", None, "staff", method="POST") == [401, 403]


def test_each_caller_is_throttled_alone(guard: Guard) -> None:
    class Once(UserRateThrottle):
        rate = "1/day"

    class Throttled(APIView):
        throttle_classes = (Once,)

        def get(self, request: Request) -> Response:
            return Response("got")

    project = closed([path("", guard.allow(STAFF | OTHERS)(Throttled.as_view()))], guard)
    assert statuses(project, "/", "staff", "staff", "outsider") == [200, 429, 200]


def test_refusals_of_the_guard_are_its_own(guard: Guard) -> None:
    @api_view(["GET"])
    @guard.allow(OTHERS)
    def view(request: Request) -> Response:
        return Response("got")

    refused = ask(closed([path("", view)], guard), "/", "staff")
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["reason"] == "not_allowed"


def test_its_client_and_its_requests(guard: Guard) -> None:
    @api_view(["POST"])
    @guard.allow(STAFF)
    def view(request: Request) -> Response:
        return Response(request.data)

    project = closed([path("", view)], guard)
    with project.settings():
        client = APIClient()
        assert client.post("/", {"a": 1}, format="json").status_code == 401
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token('staff')}")
        assert client.post("/", {"a": 1}, format="json").json() == {"a": 1}
        with pytest.raises(UnguardedEndpointError, match="no guard decided about this request"):
            view(APIRequestFactory().post("/", {"a": 1}, format="json"))


def test_the_authentication_class_trusts_no_request_that_no_guard_saw() -> None:
    with pytest.raises(UnguardedEndpointError, match="last in MIDDLEWARE"):
        CallerAuthentication().authenticate(APIRequestFactory().get("/"))
