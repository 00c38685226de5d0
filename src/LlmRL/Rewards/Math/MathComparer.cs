using System.Numerics;

namespace LlmRL.Rewards;

/// <summary>
/// Decides whether two answers are the same. Rational numbers are compared exactly, other expressions by their normal forms and, where these leave
/// it open, by their values with error bounds at fixed pseudo-random points (two different ones agree at all of them with negligible probability:
/// Schwartz 1980, Zippel 1979). The work is counted and bounded, so that a verdict never depends on a clock.
/// </summary>
internal sealed class MathComparer(MathOptions options)
{
    private const int Points = 6;
    private const int MaxItems = 64;

    // Nodes evaluated and pairs compared, in one comparison as a whole.
    private const int MaxWork = 30_000;

    // A gold answer written to this many decimals is a rounded one.
    private const int RoundedDecimals = 4;
    private const double RoundedTolerance = 1e-4;

    private static readonly SymbolNode PlusInfinity = new("\\infty");
    private static readonly OperationNode MinusInfinity = new('*', new NumberNode(-1), PlusInfinity);

    private int work = MaxWork;

    public bool Equal(MathAnswer gold, MathAnswer answer) => (gold, answer) switch
    {
        (NodeAnswer a, NodeAnswer b) => Equal(a.Node, b.Node),
        (TextAnswer a, TextAnswer b) => a.Normalized == b.Normalized && a.Normalized.Length > 0,
        _ => false,
    };

    private bool Equal(MathNode gold, MathNode answer)
    {
        if (!Spend())
            return false;
        if (gold is UnionNode || answer is UnionNode)
            return Parts(gold) is { } a && Parts(answer) is { } b && SameItems(a, b);
        if (Single(gold) is { } only && answer is not TupleNode)
            return Equal(only, answer);
        if (Single(answer) is { } one && gold is not TupleNode)
            return Equal(gold, one);
        (gold, answer) = (Rows(gold, answer), Rows(answer, gold));
        if (gold is MatrixNode || answer is MatrixNode)
        {
            if (Vector(gold) is { } first && Vector(answer) is { } second)
                return SameSequence(first, second);
            return gold is MatrixNode a && answer is MatrixNode b && a.Height == b.Height && a.Width == b.Width
                && a.Rows.Zip(b.Rows).All(rows => SameSequence(rows.First, rows.Second));
        }

        if (gold is TupleNode || answer is TupleNode)
            return Tuples(gold, answer);
        if (gold is RelationNode || answer is RelationNode)
            return Relations(gold, answer);
        return Scalars(gold, answer);
    }

    private bool Spend() => work-- > 0;

    // (5), [5] and {5} are 5.
    private static MathNode? Single(MathNode node) => node is TupleNode { Items: [var only] } && only is not TupleNode ? only : null;

    // [[1, 2], [3, 4]] against a matrix
    private static MathNode Rows(MathNode node, MathNode other) => other is MatrixNode && node is TupleNode { Open: '[' } tuple
        && tuple.Items.All(item => item is TupleNode { Open: '[' } row && row.Items.Count == ((TupleNode)tuple.Items[0]).Items.Count)
        ? new MatrixNode([.. tuple.Items.Select(item => ((TupleNode)item).Items)])
        : node;

    private bool Scalars(MathNode gold, MathNode answer)
    {
        if (gold.Exact is { } a && answer.Exact is { } b)
            return a == b || Near(a, b, gold, answer);
        if (Infinity(gold) is var sign and not 0 || Infinity(answer) != 0)
            return Infinity(gold) == Infinity(answer);
        // Values within the tolerance have different normal forms.
        return NormalForm.Equal(gold, answer) is { } known && (known || options.Tolerance == 0) ? known : Agree(gold, answer, (x, y) => x.Overlaps(y));
    }

    private bool Near(Rational gold, Rational answer, MathNode written, MathNode found)
    {
        var (a, b) = (gold.ToDouble(), answer.ToDouble());
        var tolerance = written is NumberNode { Decimals: >= RoundedDecimals } && found is NumberNode ? RoundedTolerance : 0;
        tolerance = Math.Max(tolerance, options.Tolerance);
        return tolerance > 0 && Math.Abs(a - b) <= tolerance * Math.Abs(a);
    }

    private static int Infinity(MathNode node) => node switch
    {
        SymbolNode { Name: "\\infty" } => 1,
        OperationNode { Operator: '*', Left.Exact: { IsZero: false } factor } product => factor.Numerator.Sign * Infinity(product.Right),
        _ => 0,
    };

    private bool Tuples(MathNode gold, MathNode answer)
    {
        if (answer is RelationNode { Operator: "=" } assigned && IsName(assigned.Left) && gold is TupleNode)
            return Equal(gold, assigned.Right);
        if (gold is RelationNode { Operator: "=" } given && IsName(given.Left) && answer is TupleNode)
            return Equal(given.Right, answer);
        if ((Interval(gold) ?? gold) is not TupleNode a || (Interval(answer) ?? answer) is not TupleNode b)
            return false;
        if (a.IsList && b.IsList)
            return SameItems(a.Items, b.Items) || Flat(a, b);
        if (a.IsSet || b.IsSet)
            return (a.IsSet || a.IsList) && (b.IsSet || b.IsList) && SameItems(a.Items, b.Items);
        return (a.Open == b.Open || a.IsList || b.IsList) && (a.Close == b.Close || a.IsList || b.IsList) && SameSequence(a.Items, b.Items);
    }

    // x ≤ −1 or x ≥ 3 is a union of intervals, too.
    private static IReadOnlyList<MathNode>? Parts(MathNode node) => node switch
    {
        UnionNode union => union.Parts,
        RelationNode { Operator: "!=", Left: SymbolNode { IsConstant: false }, Right: var hole } =>
            [new TupleNode('(', [MinusInfinity, hole], ')'), new TupleNode('(', [hole, PlusInfinity], ')')],
        TupleNode { IsList: true } list when list.Items.All(item => Interval(item) is not null) => [.. list.Items.Select(item => Interval(item)!)],
        _ => null,
    };

    // (1, 2) and a row or column of the same numbers
    private static IReadOnlyList<MathNode>? Vector(MathNode node) => node switch
    {
        TupleNode { Open: '(', Close: ')' } tuple => tuple.Items,
        MatrixNode { Width: 1 } column => [.. column.Rows.Select(row => row[0])],
        MatrixNode { Height: 1 } row => row.Rows[0],
        _ => null,
    };

    // p = 5, q = 2; p = 7, q = 2 against (5, 2), (7, 2)
    private bool Flat(TupleNode a, TupleNode b)
    {
        if (!(Assignments(a) && b.Items.All(item => item is TupleNode)) && !(Assignments(b) && a.Items.All(item => item is TupleNode)))
            return false;
        return SameSequence([.. a.Items.SelectMany(Leaves)], [.. b.Items.SelectMany(Leaves)]);
    }

    private static bool Assignments(TupleNode list) =>
        list.Items.All(item => item is RelationNode { Operator: "=" } relation && IsName(relation.Left));

    private static IEnumerable<MathNode> Leaves(MathNode node) => node switch
    {
        TupleNode tuple => tuple.Items,
        RelationNode relation => [relation.Right],
        _ => [node],
    };

    private bool SameSequence(IReadOnlyList<MathNode> a, IReadOnlyList<MathNode> b) =>
        a.Count == b.Count && a.Zip(b).All(pair => Equal(pair.First, pair.Second));

    private bool SameItems(IReadOnlyList<MathNode> a, IReadOnlyList<MathNode> b)
    {
        if (a.Count != b.Count)
            return false;
        if (SameSequence(a, b))
            return true;
        if (a.Count > MaxItems)
            return false;
        var left = b.ToList();
        foreach (var item in a)
        {
            var at = left.FindIndex(other => Equal(item, other));
            if (at < 0)
                return false;
            left.RemoveAt(at);
        }

        return true;
    }

    private bool Relations(MathNode gold, MathNode answer)
    {
        if (gold is RelationNode a && answer is RelationNode b)
        {
            if (a.Operator == "=" && b.Operator == "=" && IsName(a.Left) && IsName(b.Left) && SameName(a.Left, b.Left) && Equal(a.Right, b.Right))
                return true;
            return a.Operator == b.Operator && Proportional(a, b, anySign: a.Operator is "=" or "!=")
                || (a.Operator == Reversed(b.Operator) && Proportional(a, new RelationNode(b.Right, a.Operator, b.Left), anySign: false))
                || (Interval(a) is { } first && Interval(b) is { } second && a.Left is SymbolNode && b.Left is SymbolNode && Tuples(first, second));
        }

        return gold is RelationNode { Operator: "=" } given
            ? IsName(given.Left) && Equal(given.Right, answer)
            : answer is RelationNode { Operator: "=" } found && IsName(found.Left) && Equal(gold, found.Right);
    }

    private static string Reversed(string sign) => sign switch
    {
        "<" => ">",
        ">" => "<",
        "<=" => ">=",
        ">=" => "<=",
        _ => sign,
    };

    // x ≥ 5 as [5, ∞)
    private static TupleNode? Interval(MathNode node)
    {
        if (node is not RelationNode relation || relation.Operator is "=" or "!=")
            return null;
        var (left, sign, right) = (relation.Left, relation.Operator, relation.Right);
        if (right is SymbolNode { IsConstant: false })
            (left, sign, right) = (right, Reversed(sign), left);
        if (left is not SymbolNode { IsConstant: false })
            return null;
        return sign[0] == '>'
            ? new TupleNode(sign == ">=" ? '[' : '(', [right, PlusInfinity], ')')
            : new TupleNode('(', [MinusInfinity, right], sign == "<=" ? ']' : ')');
    }

    // x, f(x), a_3, |AB|, A:B or (x, y), whose value the equation gives; not 2x + z
    private static bool IsName(MathNode node) => node switch
    {
        SymbolNode symbol => !symbol.IsConstant || symbol.Name is "i" or "e",
        OperationNode { Operator: '*' or '/' } operation => IsName(operation.Left) && (IsName(operation.Right) || operation.Right is NumberNode),
        FunctionNode { Name: "abs" } function => IsName(function.Argument),
        TupleNode tuple => tuple.Items.Count > 0 && tuple.Items.All(IsName),
        _ => false,
    };

    // f(n) = 1 and f(x) = 1 name the same function.
    private static bool SameName(MathNode a, MathNode b) => a is not SymbolNode || b is not SymbolNode || a == b;

    // lhs − rhs of one is a constant multiple of the other's.
    private bool Proportional(RelationNode a, RelationNode b, bool anySign)
    {
        if (a.Right is TupleNode or UnionNode or MatrixNode || b.Right is TupleNode or UnionNode or MatrixNode)
            return a.Operator == b.Operator && a.Left is not TupleNode && b.Left is not TupleNode && Equal(a.Left, b.Left) && Equal(a.Right, b.Right);
        if (!a.Symbols.ToHashSet().SetEquals(b.Symbols))
            return false;
        Ball? ratio = null;
        return Agree(Difference(a), Difference(b), (x, y) =>
        {
            var zero = new Ball(Complex.Zero, 0);
            if (x.Overlaps(zero) || y.Overlaps(zero))
                return x.Overlaps(zero) && y.Overlaps(zero);
            var quotient = x / y;
            ratio ??= quotient;
            return ratio.Value.Overlaps(quotient) && (anySign || (quotient.Middle.Real > 0 && Math.Abs(quotient.Middle.Imaginary) <= quotient.Radius));
        });
    }

    private static OperationNode Difference(RelationNode relation) =>
        new('+', relation.Left, new OperationNode('*', new NumberNode(-1), relation.Right));

    // At every point where both values are known sharply they must agree; there must be such points.
    private bool Agree(MathNode a, MathNode b, Func<Ball, Ball, bool> same)
    {
        var compared = 0;
        var constant = !a.Symbols.Concat(b.Symbols).Any(name => !new SymbolNode(name).IsConstant);
        for (var index = 0; index < (constant ? 1 : Points); index++)
        {
            var point = new MathPoint(index, Points / 2, Spend);
            var (x, y) = (a.Value(point), b.Value(point));
            if (work <= 0)
                return false;
            if (!x.IsKnown || !y.IsKnown)
                continue;
            if (!same(x, y))
                return constant && options.Tolerance > 0 && (x.Middle - y.Middle).Magnitude <= options.Tolerance * x.Magnitude;
            if (x.IsSharp && y.IsSharp)
                compared++;
        }

        return compared > (constant ? 0 : 1);
    }
}
