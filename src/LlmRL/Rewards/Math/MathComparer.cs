using System.Numerics;

namespace LlmRL.Rewards;

/// <summary>
/// Decides whether two answers are the same. Rational numbers are compared exactly; other expressions by their values at fixed pseudo-random
/// points (two different ones agree at all of them with negligible probability: Schwartz 1980, Zippel 1979).
/// </summary>
internal static class MathComparer
{
    private const int Points = 6;
    private const int MaxItems = 64;
    private const double Tolerance = 1e-9;

    // A gold answer written to this many decimals is a rounded one.
    private const int RoundedDecimals = 4;
    private const double RoundedTolerance = 1e-4;

    public static bool Equal(MathAnswer gold, MathAnswer answer) => (gold, answer) switch
    {
        (NodeAnswer a, NodeAnswer b) => Equal(a.Node, b.Node),
        (TextAnswer a, TextAnswer b) => a.Normalized == b.Normalized && a.Normalized.Length > 0,
        (TextAnswer a, NodeAnswer { Node: RelationNode r }) => false,
        _ => false,
    };

    public static bool Equal(MathNode gold, MathNode answer)
    {
        if (gold is UnionNode || answer is UnionNode)
            return Parts(gold) is { } a && Parts(answer) is { } b && SameItems(a, b);
        if (gold is TupleNode { Items.Count: 1, IsSet: false } single)
            return Equal(single.Items[0], answer);
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

    private static bool Scalars(MathNode gold, MathNode answer)
    {
        if (gold.Exact is { } a && answer.Exact is { } b)
        {
            if (a == b)
                return true;
            return gold is NumberNode { Decimals: >= RoundedDecimals } && answer is NumberNode
                && Math.Abs(a.ToDouble() - b.ToDouble()) <= RoundedTolerance * Math.Abs(a.ToDouble());
        }

        return Agree(gold, answer, Close);
    }

    private static bool Tuples(MathNode gold, MathNode answer)
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
    private static bool Flat(TupleNode a, TupleNode b)
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

    private static bool SameSequence(IReadOnlyList<MathNode> a, IReadOnlyList<MathNode> b) =>
        a.Count == b.Count && a.Zip(b).All(pair => Equal(pair.First, pair.Second));

    private static bool SameItems(IReadOnlyList<MathNode> a, IReadOnlyList<MathNode> b)
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

    private static bool Relations(MathNode gold, MathNode answer)
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
        var infinity = new SymbolNode("\\infty");
        return sign[0] == '>'
            ? new TupleNode(sign == ">=" ? '[' : '(', [right, infinity], ')')
            : new TupleNode('(', [new OperationNode('*', new NumberNode(-1), infinity), right], sign == "<=" ? ']' : ')');
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
    private static bool Proportional(RelationNode a, RelationNode b, bool anySign)
    {
        if (a.Right is TupleNode or UnionNode or MatrixNode || b.Right is TupleNode or UnionNode or MatrixNode)
            return a.Operator == b.Operator && a.Left is not TupleNode && b.Left is not TupleNode && Equal(a.Left, b.Left) && Equal(a.Right, b.Right);
        if (!a.Symbols.ToHashSet().SetEquals(b.Symbols))
            return false;
        Complex? ratio = null;
        return Agree(Difference(a), Difference(b), (x, y) =>
        {
            if (x.Magnitude < 1e-12 || y.Magnitude < 1e-12)
                return x.Magnitude < 1e-12 && y.Magnitude < 1e-12;
            var quotient = x / y;
            ratio ??= quotient;
            return Close(ratio.Value, quotient) && (anySign || (quotient.Real > 0 && Math.Abs(quotient.Imaginary) < Tolerance * quotient.Magnitude));
        });
    }

    private static OperationNode Difference(RelationNode relation) =>
        new('+', relation.Left, new OperationNode('*', new NumberNode(-1), relation.Right));

    private static bool Agree(MathNode a, MathNode b, Func<Complex, Complex, bool> same)
    {
        var compared = 0;
        var points = a.Symbols.Concat(b.Symbols).Any() ? Points : 1;
        for (var point = 0; point < points; point++)
        {
            var number = (ulong)point;
            double ValueOf(string name)
            {
                // The first half of the points is positive, where roots and logarithms are real.
                var value = 0.3 + (2 * CounterRandom.Uniform(CounterRandom.Hash(name), number, 0));
                return number < Points / 2 || CounterRandom.Uniform(CounterRandom.Hash(name), number, 1) < 0.5 ? value : -value;
            }

            var (x, y) = (a.Value(ValueOf), b.Value(ValueOf));
            if (double.IsNaN(x.Real) && double.IsNaN(y.Real))
                continue;
            if (!same(x, y))
                return false;
            compared++;
        }

        return compared > 0;
    }

    private static bool Close(Complex a, Complex b)
    {
        if (double.IsInfinity(a.Real) || double.IsInfinity(b.Real))
            return a.Real == b.Real;
        return (a - b).Magnitude <= (Tolerance * Math.Max(a.Magnitude, b.Magnitude)) + 1e-14;
    }
}
