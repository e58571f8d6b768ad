"""What type checkers say of callers and decorated endpoints: read by mypy and pyright, and served by `test_types`."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Annotated, Any, assert_type

from fastapi import APIRouter, FastAPI, WebSocket

from callerid import Caller, Domain, FirebaseUser, PathParam, Public
from callerid.fastapi import Guard

from .world import new_guard

guard: Guard = new_guard()
Staff = Annotated[Caller, guard.allow(Domain("example.com"))]
Perhaps = Annotated[Caller | None, guard.allow(Public() | Domain("example.com"))]
Owner = Annotated[Caller, guard.allow(FirebaseUser(PathParam("user_id")))]

app = FastAPI()
guard.protect(app, default=Domain("example.com"), floor=None, docs="domain:example.com")


@app.get("/staff")
async def staff(caller: Staff) -> str:
    assert_type(caller, Caller)
    return caller.name


@app.get("/perhaps")
async def perhaps(caller: Perhaps) -> str:
    assert_type(caller, Caller | None)
    return "" if caller is None else caller.name


@app.get("/users/{user_id}")
async def owner(user_id: str, caller: Owner) -> str:
    assert_type(caller.email, str | None)
    return user_id


@app.post("/decorated")
@guard.allow(Domain("example.com"), audience="1234-abc.apps.googleusercontent.com")
def decorated(number: int = 1, *, text: str = "") -> dict[str, int]:
    return {text: number}


@app.post("/decorated-async")
@guard.allow("user:ada@example.com", "domain:example.com")
async def decorated_async(number: int = 1) -> list[int]:
    return [number]


@guard.allow(Domain("example.com"))
def generator() -> Iterator[int]:
    yield 1


@guard.allow(Domain("example.com"))
async def async_generator() -> AsyncIterator[int]:
    yield 1


@guard.allow(Domain("example.com"))
class Endpoint:
    def __init__(self, number: int) -> None:
        self.number = number


@app.websocket("/ws")
@guard.allow(Domain("example.com"))
async def socket(websocket: WebSocket) -> None:
    await websocket.accept()


takes: Callable[[int], Coroutine[Any, Any, list[int]]] = decorated_async
assert_type(generator, Callable[[], Iterator[int]])
assert_type(async_generator, Callable[[], AsyncIterator[int]])
endpoint: type[Endpoint] = Endpoint


def calls() -> None:
    assert_type(decorated(2, text="x"), dict[str, int])
    assert_type(Endpoint(1).number, int)


router = APIRouter(dependencies=[guard.allow(Domain("example.com"))])
router.add_api_route("/routed", lambda: None)
app.include_router(router, dependencies=[guard.allow("user:ada@example.com")])
app.mount("/sub", guard.allow(Domain("example.com"))(FastAPI()))
