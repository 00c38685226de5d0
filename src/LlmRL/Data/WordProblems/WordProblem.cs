using System.Globalization;
using System.Text;

namespace LlmRL.Data;

/// <summary>What a word problem says, whatever its words: so many at the start, then one event a day, or none.</summary>
/// <param name="Start">How many there are at the start.</param>
/// <param name="FirstDay">Index of the first event's day in <see cref="WordProblemTemplates.Days"/>; the others follow day by day.</param>
/// <param name="Events">What happens.</param>
internal sealed record WordProblem(int Start, int FirstDay, IReadOnlyList<WordProblemEvent> Events)
{
    /// <summary>The expression: <c>5+3-2*4</c>. It decides the split.</summary>
    public string Expression
    {
        get
        {
            var text = new StringBuilder().Append(CultureInfo.InvariantCulture, $"{Start}");
            foreach (var happening in Events.Where(happening => happening.Operations > 0))
                text.Append(CultureInfo.InvariantCulture, $"{happening.Operator}{(happening.Boxes > 0 ? $"{happening.Boxes}*" : "")}{happening.Amount}");
            return text.ToString();
        }
    }

    /// <summary>The day of an event.</summary>
    public string Day(int index) => WordProblemTemplates.Days[(FirstDay + index) % WordProblemTemplates.Days.Count];

    /// <summary>
    /// The worked solution, <c> Friday 5+3=8. Saturday 2*4=8. 8-8=0. #### 0</c>, and its answer; null where a result leaves [0, maxValue].
    /// </summary>
    /// <param name="maxValue">Largest result.</param>
    /// <param name="written">What stands there as the result of an operation, given the right one.</param>
    public (string Text, int Answer)? Solve(int maxValue, Func<int, int> written)
    {
        var text = new StringBuilder();
        var value = Start;
        for (var i = 0; i < Events.Count; i++)
        {
            var happening = Events[i];
            text.Append(CultureInfo.InvariantCulture, $" {Day(i)}");
            if (happening.Operations == 0)
            {
                text.Append(CultureInfo.InvariantCulture, $" {value}.");
                continue;
            }

            var change = happening.Amount;
            if (happening.Boxes > 0 && !Operate(happening.Boxes, '*', happening.Amount, out change))
                return null;
            if (!Operate(value, happening.Operator, change, out value))
                return null;
        }

        return (text.Append(CultureInfo.InvariantCulture, $" #### {value}").ToString(), value);

        bool Operate(int left, char symbol, int right, out int shown)
        {
            var result = symbol switch { '+' => left + right, '-' => left - right, _ => left * right };
            shown = 0;
            if (result < 0 || result > maxValue)
                return false;
            shown = written(result);
            text.Append(CultureInfo.InvariantCulture, $" {left}{symbol}{right}={shown}.");
            return true;
        }
    }
}

/// <summary>What happens on one day.</summary>
/// <param name="Verb">What somebody does.</param>
/// <param name="Operator">+ or -; a space where nothing changes.</param>
/// <param name="Boxes">How many boxes of <paramref name="Amount"/> each; 0: no boxes.</param>
/// <param name="Amount">How many.</param>
internal readonly record struct WordProblemEvent(string Verb, char Operator, int Boxes, int Amount)
{
    /// <summary>How many operations it takes.</summary>
    public int Operations => Operator == ' ' ? 0 : Boxes > 0 ? 2 : 1;
}
