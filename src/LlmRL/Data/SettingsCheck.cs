using System.ComponentModel.DataAnnotations;

namespace LlmRL.Data;

/// <summary>Checks the <see cref="RangeAttribute"/>s of a settings record that was built in code rather than read from a recipe.</summary>
internal static class SettingsCheck
{
    public static void Ranges(string what, object settings)
    {
        foreach (var property in settings.GetType().GetProperties())
        {
            foreach (var range in property.GetCustomAttributes(typeof(RangeAttribute), true).Cast<RangeAttribute>())
            {
                var value = property.GetValue(settings);
                if (!range.IsValid(value))
                    throw new BadInputException($"{what}: {property.Name} is {value}, but must be between {range.Minimum} and {range.Maximum}.");
            }
        }
    }
}
