import ast,sys
from pathlib import Path
def sites(root):
    for p in sorted(root.rglob("*.py")):
        src=p.read_text(); 
        if "ConfigurationError" not in src: continue
        for n in ast.walk(ast.parse(src)):
            if isinstance(n,ast.Call) and isinstance(n.func,ast.Name) and n.func.id=="ConfigurationError":
                yield p,n,src
if __name__=="__main__":
    last=None
    for p,n,src in sites(Path("src/callerid")):
        r=str(p.relative_to("src/callerid"))
        if r!=last: print("##",r); last=r
        m=" ".join(ast.unparse(n.args[0]).split()) if n.args else ""
        print(n.lineno, m[:105])
