namespace LlmRL.Rewards;

// Intervals, unions and differences of sets.
internal sealed partial class MathParser
{
    private static TupleNode Interval(List<MathNode> nodes, List<string> operators, int direction)
    {
        var low = operators[0].EndsWith('=') ? '[' : '(';
        var high = operators[1].EndsWith('=') ? ']' : ')';
        return direction > 0
            ? new TupleNode(low, [nodes[0], nodes[2]], high)
            : new TupleNode(high == ']' ? '[' : '(', [nodes[2], nodes[0]], low == '[' ? ']' : ')');
    }

    private MathNode? Union()
    {
        var first = Sum();
        if (first is not null && EatCommand("setminus"))
            first = Sum() is TupleNode { IsSet: true } holes ? Without(first, holes.Items) : null;
        if (first is null || !EatCommand("cup"))
            return first;
        var parts = new List<MathNode> { first };
        do
        {
            if (Sum() is not { } part)
                return null;
            parts.Add(part);
        }
        while (EatCommand("cup"));
        return new UnionNode(parts);
    }

    // (a, b) without points between a and b; the points in order
    private static UnionNode? Without(MathNode interval, IReadOnlyList<MathNode> points)
    {
        if (interval is not TupleNode { Items: [var low, var high], IsSet: false, IsList: false } whole || points.Count is 0 or > 16
            || points.Any(point => point.Exact is null))
        {
            return null;
        }

        var parts = new List<MathNode>();
        var open = whole.Open;
        foreach (var point in points.OrderBy(point => point.Exact!.Value.ToDouble()))
        {
            parts.Add(new TupleNode(open, [low, point], ')'));
            (low, open) = (point, '(');
        }

        parts.Add(new TupleNode(open, [low, high], whole.Close));
        return new UnionNode(parts);
    }
}
