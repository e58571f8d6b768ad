import ast,re,sys
from pathlib import Path
sys.path.insert(0,"/tmp")
from sites import sites
# (file prefix, regex on unparsed message or "", code); first match wins
RULES=[
("answers.py","","challenge-parameter"),
("asgi/mcp.py","","mcp-sessions"),
("","on_refusal","on-refusal-not-a-function"),
("","websockets= takes","websocket-settings"),("asgi/websockets.py","","websocket-settings"),
("","mcp_sessions=","mcp-sessions"),
("asgi/prefixes.py","","root-path"),("paths/readings.py","","root-path"),
("asking/policy.py","","number-out-of-range"),
("audit/algebra/uses.py","","rule-admits-nobody"),
("audit/decision.py","","not-an-instance"),
("audit/lifespan.py","","lifespan-failed"),
("audit/loading.py","","application-not-found"),
("audit/lock","","not-a-lock"),
("audit/reading.py","","application-not-mapped"),
("audit/suite.py","","access-tests"),
("authentication/authenticator.py","trusts no issuer","guard-without-issuers"),
("authentication/authenticator.py","","token-limits"),
("authentication/claims.py","","nonce"),
("authentication/revocations.py","","revocation"),
("authentication/same_origin.py","","trusted-origins"),
("authentication/token_cache.py","","token-limits"),
("authentication/trust.py","Auth emulator","emulator"),
("authentication/trust.py","guard takes issuers","not-an-issuer"),
("authentication/trust.py","does not trust","issuer-not-trusted"),
("authentication/trust.py","","issuers-overlap"),
("authorization/outside.py","button","sign-in-without-client-id"),
("authorization/outside.py","","rule-outside-a-request"),
("authorization/policy.py","asked by a guard","rule-of-another-guard"),
("authorization/policy.py","","rules-together"),
("authorization/report_only.py","","report-only"),
("authorization/requirement.py","no audience is in all","audience-of-a-rule"),
("authorization/requirement.py","audience=","audience-of-a-rule"),
("authorization/requirement.py","whose user","rule-names-no-issuer"),
("authorization/requirement.py","","not-a-rule"),
("authorization/startup.py","audience=","audience-of-a-rule"),
("authorization/startup.py","","lookup-missing"),
("django/dispatch.py","_PLACE","django-middleware-place"),
("django/dispatch.py","release","django-release"),
("django/dispatch.py","","django-settings"),
("","protect.{0,9} already|protects already","protected-twice"),
("","takes the rule itself","not-a-rule"),
("","maps paths to rules","path-table-not-a-table"),
("django/guard.py","","path-table-same-place"),
("","PathParam\\(\\{name!r\\}\\)","path-parameter"),
("django/routes.py","","mark-not-served"),("flask/routes.py","","mark-not-served"),
("","join\\(","startup-checks"),
("fastapi/routes.py","dependencies","not-a-rule"),
("fastapi/routes.py","unseen","rule-not-seen"),
("fastapi/routes.py","","caller-parameter"),
("flask/current.py","","caller-of-a-public-route"),
("flask/decorator.py","","mark-not-served"),
("","protect takes|FastAPI application","wrong-framework"),
("fleet/","","redis-fleet"),
("guard.py","goes with","wrong-framework"),("guard.py","look-up","lookup-in-a-task"),
("iam.py","","iam-policy"),
("issuers/app_check.py","","app-check"),
("issuers/asked.py","","issuers-overlap"),
("issuers/cloud_run.py","","cloud-run"),
("issuers/custom_credential.py","","custom-credential"),
("issuers/emulator.py","","emulator"),("issuers/firebase.py","emulator","emulator"),
("issuers/firebase.py","","firebase-project"),
("issuers/gateway.py","","gateway"),
("issuers/google.py","","google-audience"),
("issuers/google_access_token.py","","google-access-token"),
("issuers/iap.py","","iap"),
("issuers/issuer.py","cookie=","cookie-name"),("issuers/issuer.py","takes the number","project-number"),
("issuers/issuer.py","","audience"),
("issuers/oidc.py","","oidc-issuer"),("keys/discovery.py","","oidc-issuer"),
("issuers/service_account.py","","service-account-issuer"),
("keys/source.py","longest_lifetime","number-out-of-range"),
("keys/source.py","","key-source"),
("lookups/account_status.py","","firebase-project"),
("lookups/lookups.py","missing","lookup-missing"),
("lookups/","","lookup-settings"),
("mcp.py","","mcp-resource"),
("paths/gate.py","guard=","not-a-guard"),("paths/gate.py","","rules-together"),
("paths/bound.py","same place","path-table-same-place"),("paths/lookup.py","","path-table-same-place"),
("paths/table.py","same place","path-table-same-place"),("paths/table.py","","not-a-rule"),
("paths/","","path-pattern"),
("risc/","","security-events"),
("rules/","PathParam names","path-parameter"),
("rules/anyone.py","Where","where-function"),("rules/text.py","Where","where-function"),
("rules/anyone.py","","via-rule"),
("rules/base.py","admits|hashed","own-rule"),("rules/base.py","","not-a-rule"),
("rules/reading.py","","iam-member"),
("rules/firebase.py|rules/claims.py|rules/subjects.py","","rule-argument"),
("rules/","","rule-argument"),
("starlette/dispatch.py","","router-not-bound"),
("starlette/guard.py","takes a rule","not-a-rule"),
("starlette/routes.py","NOT_READ","mark-not-served"),("starlette/routes.py","problem","rule-not-seen"),("starlette/routes.py","NOT_SERVED","mark-not-served"),
("testing/access.py","","access-tests"),
]
WRAP=[("audit/suite.py","one_line(f'{name}: {error}')"),("authorization/policy.py","f'{where}: {error}'"),("paths/gate.py","f'{where} and floor=: {error}'"),("testing/access.py","f'{persona.name}: {error}'")]
def code_of(r,m):
    for f,x,c in RULES:
        if (re.match(f,r)) and (not x or re.search(x,m)): return c
if __name__=="__main__":
    from collections import Counter
    root=Path(sys.argv[1]); write=len(sys.argv)>2; cnt=Counter(); miss=[]
    edits={}
    for p,n,src in sites(root/"src/callerid"):
        if any(k.arg=="code" for k in n.keywords): continue
        r=str(p.relative_to(root/"src/callerid")); m=ast.unparse(n.args[0])
        m=" ".join(m.split())
        expr=None
        for f,x in WRAP:
            if r==f and m==x: expr="error.code"
        c=code_of(r,m)
        if not c: miss.append((r,n.lineno,m)); continue
        cnt[c]+=1
        edits.setdefault(p,[]).append((n,expr or '"%s"'%c))
    print(len(cnt),sum(cnt.values()),"missing",miss)
    for c,k in sorted(cnt.items()): print(k,c)
    if write:
        for p,es in edits.items():
            lines=p.read_bytes().split(b"\n")
            for n,e in sorted(es,key=lambda x:-(x[0].args[0].end_lineno*10000+x[0].args[0].end_col_offset)):
                a=n.args[0]; end=(n.end_lineno,n.end_col_offset)
                # insert before closing paren of call
                l=lines[end[0]-1]; head=l[:end[1]-1]; tail=l[end[1]-1:]
                h=head.rstrip()
                if not h:  # paren on its own line
                    prev=end[0]-2
                    s=lines[prev].rstrip()
                    if not s.endswith(b","): lines[prev]=s+b","
                    ind=b" "*(len(head)+4)
                    lines[end[0]-1]=ind+b"code="+e.encode()+b",\n"+head+tail
                else:
                    lines[end[0]-1]=h.rstrip(b",")+b", code="+e.encode()+tail
            p.write_bytes(b"\n".join(lines))
