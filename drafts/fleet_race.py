import subprocess, sys, time, threading, json, collections
sys.path.insert(0, "src")
from callerid import *
from callerid.fleet import RedisFleet
from callerid.testing import LocalIssuer
PORT=sys.argv[1]; role=sys.argv[2] if len(sys.argv)>2 else "main"
URL="https://orders.example.com"; url=f"redis://127.0.0.1:{PORT}/0"
def ask(guard, text):
    try: guard.verify(text, SingleUse()); return "admitted"
    except Refusal as e: return f"{e.status} {e.reason}"
if role=="main":
    i=LocalIssuer(); doc=i.jwks_document("google")
    p=subprocess.Popen([sys.executable,__file__,PORT,"child"],stdin=subprocess.PIPE,stdout=subprocess.PIPE,text=True)
    guard=Guard(google(URL,keys=KeyDocument(doc)),fleet=RedisFleet(url),leeway=0)
    t0=i.service_account("a@p.iam.gserviceaccount.com",audience=URL)
    print("first, redis new:",ask(guard,t0),flush=True)
    time.sleep(2.1)
    toks=[i.service_account("a@p.iam.gserviceaccount.com",audience=URL,claims={"nonce":str(n)}) for n in range(20)]
    p.stdin.write(json.dumps([doc,toks])+"\n"); p.stdin.flush()
    print("child says",p.stdout.readline().strip(),flush=True)
    p.stdin.write("go\n"); p.stdin.flush()
else:
    doc,toks=json.loads(sys.stdin.readline())
    guard=Guard(google(URL,keys=KeyDocument(doc)),fleet=RedisFleet(url),leeway=0)
    print("ready",flush=True); sys.stdin.readline()
got=collections.defaultdict(list); bar=threading.Barrier(8)
def work():
    for n,t in enumerate(toks):
        bar.wait(); got[n].append(ask(guard,t))
ths=[threading.Thread(target=work) for _ in range(8)]
[t.start() for t in ths]; [t.join() for t in ths]
if role!="main":
    print(json.dumps(got),flush=True); sys.exit()
other=json.loads(p.stdout.readline()); p.wait(10)
per=[(got[n]+other[str(n)]).count("admitted") for n in range(len(toks))]
print("admitted per token",per,"outcomes",collections.Counter(x for d in (got,other) for v in d.values() for x in v),flush=True)
import redis
c=redis.Redis(port=int(PORT)); 
def new(n): return i.service_account("a@p.iam.gserviceaccount.com",audience=URL,claims={"nonce":str(n)})
a=new("f1"); print("before flush",ask(guard,a)); c.flushall(); print("after flush replay",ask(guard,a)); time.sleep(2.1); print("later replay",ask(guard,a),"new token",ask(guard,new("f2")),flush=True)
b=new("p"); 
